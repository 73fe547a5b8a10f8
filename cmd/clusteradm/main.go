// Command clusteradm builds and keeps Kubernetes clusters on machines of one's own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/ui"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, os.Args[1:], ui.System())
	stop()
	os.Exit(code)
}
