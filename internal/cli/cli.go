// Package cli is the command line: it parses, wires and reports. What a
// command does is decided in phases and done by the engine.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/initcmd"
	"github.com/clusteradm/clusteradm/internal/cli/joincmd"
	"github.com/clusteradm/clusteradm/internal/cli/rollbackcmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/ui"
)

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, streams ui.Streams) int {
	s := session.System(streams)
	root := New(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	code := exit.Code(err)
	if err != nil {
		report(streams, err, code, s.Format)
	}
	return code
}

// New returns the whole command tree.
func New(s *session.Session) *cobra.Command {
	root := &cobra.Command{
		Use:   "clusteradm",
		Short: "Build and keep Kubernetes clusters on machines of your own",
		Long: `clusteradm makes Kubernetes clusters the way kubeadm does, on the same files,
certificates and objects: what it makes kubeadm can join and check, and the
other way round. Every command can be run again after any interruption and
goes on where it was.`,
		Example: `  # a control plane, with flannel as the pod network
  clusteradm init --pod-network flannel

  # what would that change?
  clusteradm init --pod-network flannel --dry-run`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(s.Streams.In)
	root.SetOut(s.Streams.Out)
	root.SetErr(s.Streams.Err)
	root.PersistentFlags().StringVarP(&s.Format, "output", "o", "text", "output format: text or json")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &exit.UsageError{Err: err} })
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if s.Format != "text" && s.Format != "json" {
			return &exit.UsageError{Err: fmt.Errorf("output format %q is not text or json", s.Format)}
		}
		return nil
	}
	root.AddCommand(initcmd.New(s), joincmd.New(s), rollbackcmd.New(s), version(s), exitCodes())
	return root
}

func version(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  clusteradm version -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if s.Format == "json" {
				return json.NewEncoder(s.Streams.Out).Encode(s.Build)
			}
			_, err := fmt.Fprintf(s.Streams.Out, "clusteradm %s (%s), Kubernetes %s by default\n", s.Build.Version, s.Build.Go, s.Build.Kubernetes)
			return err
		},
	}
}

func exitCodes() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "The exit codes and what they mean", Long: exit.Doc}
}

// report prints an error with what to do about it.
func report(streams ui.Streams, err error, code int, format string) {
	hints := hintsOf(err)
	if format == "json" {
		_ = json.NewEncoder(streams.Out).Encode(struct {
			Kind  string   `json:"kind"`
			Error string   `json:"error"`
			Code  int      `json:"code"`
			Hints []string `json:"hints,omitempty"`
		}{"error", err.Error(), code, hints})
	}
	fmt.Fprintln(streams.Err, "error:", err)
	var stopped *engine.StoppedError
	if errors.As(err, &stopped) && stopped.Changed > 0 {
		fmt.Fprintf(streams.Err, "stopped part-way: %d steps done, %d left; run %s\n", stopped.Changed, stopped.Left, stopped.Run)
		hints = append(hints, "run the same command again to go on", "clusteradm rollback   # to take back what was done")
	}
	for _, hint := range hints {
		fmt.Fprintln(streams.Err, "hint:", hint)
	}
}

// hinter is an error that knows a command which helps.
type hinter interface{ Hint() string }

func hintsOf(err error) []string {
	var hints []string
	var walk func(error)
	walk = func(err error) {
		if err == nil {
			return
		}
		if h, ok := err.(hinter); ok && h.Hint() != "" {
			hints = append(hints, h.Hint())
		}
		if h, ok := err.(interface{ Hints() []string }); ok {
			hints = append(hints, h.Hints()...)
			return
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return hints
}
