# Everything is one command. `make help` lists them.
SHELL       := /bin/bash
export CGO_ENABLED := 0
VERSION     ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS     := -s -w -X github.com/clusteradm/clusteradm/internal/cli/session.version=$(VERSION)
# gRPC's tracing pages bring html/template, which costs start-up time.
TAGS        := grpcnotrace
GO          := go

.DEFAULT_GOAL := help
.PHONY: help build unit docs man lint test soak demo demo-down bench

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/clusteradm, static
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/clusteradm ./cmd/clusteradm

unit: ## The fast loop: vet and every test that needs no lab
	$(GO) vet ./...
	$(GO) test ./...

docs: ## Write docs/reference from the commands
	rm -f docs/reference/*.md
	$(GO) run ./internal/reference -dir docs/reference

man: ## Write manual pages of all commands to bin/man
	$(GO) run ./internal/reference -man bin/man

lint: ## golangci-lint with the project's rules
	$(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run

test: unit build ## What CI runs: unit tests, ten seconds of each fuzz target, then one scenario per capability in the lab
	$(GO) run ./e2e/fuzz
	$(GO) test ./e2e/scenarios -tags e2e -count=1 -v -timeout 75m

soak: build ## All that the issues ask to be shown; resumable; writes docs/proof
	$(GO) test ./e2e/scenarios -tags 'e2e soak' -count=1 -v -timeout 10h
	$(GO) run ./e2e/fuzz -time 10m -proof docs/proof/fuzz.md

demo: build ## A running cluster: one control plane, two workers; its kubeconfig is printed
	$(GO) run ./e2e/demo

bench: build ## clusteradm and kubeadm interleaved on the same lab nodes
	$(GO) run ./e2e/bench

demo-down: ## Remove the demo's lab and everything it made
	$(GO) run ./e2e/lab down -name demo
