// Package cli is the command line: it parses, wires and reports. What a
// command does is decided in phases and done by the engine.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/certscmd"
	"github.com/clusteradm/clusteradm/internal/cli/configcmd"
	"github.com/clusteradm/clusteradm/internal/cli/doctorcmd"
	"github.com/clusteradm/clusteradm/internal/cli/endpointcmd"
	"github.com/clusteradm/clusteradm/internal/cli/etcdcmd"
	"github.com/clusteradm/clusteradm/internal/cli/etcdrolecmd"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/initcmd"
	"github.com/clusteradm/clusteradm/internal/cli/joincmd"
	"github.com/clusteradm/clusteradm/internal/cli/kubeconfigcmd"
	"github.com/clusteradm/clusteradm/internal/cli/preflightcmd"
	"github.com/clusteradm/clusteradm/internal/cli/resetcmd"
	"github.com/clusteradm/clusteradm/internal/cli/rollbackcmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cli/tokencmd"
)

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, s *session.Session) int {
	root := New(s)
	root.SetArgs(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		completeValues(root) // costs start-up time, so only for who asks
	}
	err := root.ExecuteContext(ctx)
	code := exit.Code(err)
	if err != nil {
		report(s, err, code)
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
	root.SetFlagErrorFunc(session.FlagError)
	rootfs := ""
	root.PersistentFlags().StringVar(&rootfs, "rootfs", "", "directory to take for the machine's root, by chroot; paths of other flags are below it")
	root.PersistentFlags().IntP("v", "v", 0, "accepted as by kubeadm; the narration is the same at every level")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if rootfs != "" {
			if err := s.Chroot(rootfs); err != nil {
				return &exit.UsageError{Err: fmt.Errorf("--rootfs: %w", err)}
			}
		}
		if s.Format != "text" && s.Format != "json" {
			return &exit.UsageError{Err: fmt.Errorf("output format %q is not text or json", s.Format), Help: "--output=json"}
		}
		return nil
	}
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	session.Group(root)
	root.AddCommand(
		initcmd.New(s), joincmd.New(s), preflightcmd.New(s), certscmd.New(s), configcmd.New(s), kubeconfigcmd.New(s),
		doctorcmd.New(s), tokencmd.New(s), etcd(s), endpointcmd.New(s), resetcmd.New(s), rollbackcmd.New(s), version(s), preflightcmd.Topic(),
	)
	root.AddCommand(topics()...)
	furnish(root)
	return root
}

// etcd holds what is about etcd alone: its members, and machines of its own.
func etcd(s *session.Session) *cobra.Command {
	cmd := etcdcmd.New(s)
	cmd.AddCommand(etcdrolecmd.Init(s), etcdrolecmd.Join(s), etcdrolecmd.ClientCertificate(s))
	return cmd
}

// furnish gives the commands that cobra makes what ours have: examples, and
// usage errors.
func furnish(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Example = "  clusteradm help init phase certs"
			cmd.ValidArgsFunction = withTopics(cmd.ValidArgsFunction)
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				found, rest, err := cmd.Root().Find(args)
				switch {
				case err != nil:
					return &exit.UsageError{Err: err, Help: "clusteradm --help"}
				case len(rest) > 0:
					return session.UnknownCommand(found, rest[0])
				}
				found.InitDefaultHelpFlag()
				return found.Help()
			}
		case "completion":
			session.Group(cmd).Example = "  source <(clusteradm completion bash)"
			for _, shell := range cmd.Commands() {
				shell.Example = "  clusteradm completion " + shell.Name()
				shell.Args = session.Args(shell.Args)
			}
		}
	}
}

func version(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  clusteradm version -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if s.Format == "json" {
				return json.NewEncoder(s.Streams.Out).Encode(struct {
					Kind string `json:"kind"`
					session.Build
				}{"version", s.Build})
			}
			_, err := fmt.Fprintf(s.Streams.Out, "clusteradm %s (%s), Kubernetes %s by default\n", s.Build.Version, s.Build.Go, s.Build.Kubernetes)
			return err
		},
	}
}
