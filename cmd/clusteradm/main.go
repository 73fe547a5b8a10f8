// Command clusteradm builds and keeps Kubernetes clusters on machines of one's own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/ui"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the process at once
	code := cli.Main(ctx, os.Args[1:], session.System(ui.System()))
	stop()
	os.Exit(code)
}
