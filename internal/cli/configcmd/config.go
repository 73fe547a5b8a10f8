// Package configcmd is `clusteradm config`: samples of configuration files,
// their validation and migration, and the images that follow from them. None of
// its commands asks the machine or a cluster anything, save for the files that a
// configuration names: a file for another machine is as valid here as there.
package configcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/preflight"
)

// New returns the command.
func New(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:   "config",
		Short: "Print, check and convert configuration files",
		Example: `  clusteradm config print init-defaults > cluster.yaml
  clusteradm config validate --config cluster.yaml`,
	})
	cmd.AddCommand(printCommand(s), validate(s), migrate(s), images(s))
	return cmd
}

func printCommand(s *session.Session) *cobra.Command {
	cmd := session.Group(&cobra.Command{
		Use:     "print",
		Short:   "Print a commented sample of a configuration",
		Example: "  clusteradm config print init-defaults",
	})
	for _, command := range []string{"init", "join", "reset", "upgrade"} {
		cmd.AddCommand(printDefaults(s, command))
	}
	return cmd
}

func printDefaults(s *session.Session, command string) *cobra.Command {
	var kinds []string
	cmd := &cobra.Command{
		Use:   command + "-defaults",
		Short: "Print a commented sample of the configuration of " + command,
		Long: "Print a commented sample of the configuration of " + command + `.

It has every field there is. As it stands it means exactly the defaults; fields
without a default are commented out. Tokens and endpoints are placeholders.`,
		Example: "  clusteradm config print " + command + "-defaults > " + command + ".yaml",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			data, err := config.Sample(command, kinds...)
			if err != nil {
				return &exit.UsageError{Err: err, Help: "clusteradm config print " + command + "-defaults --help"}
			}
			return show(s, "sample", "", data)
		},
	}
	if command == "init" {
		cmd.Flags().StringSliceVar(&kinds, "component-configs", nil, "further documents to print: "+strings.Join(config.SampleKinds(), ", "))
	}
	return cmd
}

// show prints documents; with -o json as one object.
func show(s *session.Session, kind, file string, data []byte) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind string `json:"kind"`
			File string `json:"file,omitempty"` // where it was written
			Text string `json:"text"`
		}{kind, file, string(data)})
	}
	if file != "" {
		_, err := fmt.Fprintf(s.Streams.Out, "wrote %s\n", file)
		return err
	}
	_, err := s.Streams.Out.Write(data)
	return err
}

// documents reads a file that a command cannot do without.
func documents(s *session.Session, flag, path, help string) ([]byte, error) {
	if path == "" {
		return nil, &exit.UsageError{Err: errors.New("--" + flag + " is required"), Help: help}
	}
	docs, err := s.Documents(path)
	if err != nil {
		return nil, err
	}
	return docs, nil
}

// elsewhere are inputs that depend on no machine.
func elsewhere(ctx context.Context, s *session.Session, o config.Overrides) config.Inputs {
	in := s.Inputs(ctx, o)
	in.Elsewhere = true
	in.KnownChecks = preflight.UpgradeOnly()
	for _, check := range preflight.Catalogue() {
		in.KnownChecks = append(in.KnownChecks, check.Name)
	}
	return in
}

func validate(s *session.Session) *cobra.Command {
	var file string
	var deprecated, experimental bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a configuration file",
		Long: `Check a configuration file: every document, whichever command it is for.

All errors are told at once, each with its field, line and column. Nothing is
asked of this machine or of a cluster, so a file for another machine can be
checked anywhere. Exit code 2 says that the file is not valid; with -o json the
errors are a list.`,
		Example: `  clusteradm config validate --config cluster.yaml
  clusteradm config validate --config cluster.yaml -o json`,
		Args: session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := documents(s, "config", file, "clusteradm config print init-defaults > cluster.yaml   # a file to begin with")
			if err != nil {
				return err
			}
			in := elsewhere(cmd.Context(), s, config.Overrides{})
			in.AllowDeprecated = deprecated
			got, err := config.Validate(docs, in)
			if err != nil {
				return err
			}
			if s.Format == "json" {
				return json.NewEncoder(s.Streams.Out).Encode(struct {
					Kind     string        `json:"kind"`
					Valid    bool          `json:"valid"`
					Kinds    []string      `json:"kinds"`
					Warnings config.Errors `json:"warnings,omitempty"`
				}{"validation", true, got.Kinds, got.Warnings})
			}
			s.Warn(got.Warnings, nil)
			_, err = fmt.Fprintf(s.Streams.Out, "ok: %s\n", strings.Join(got.Kinds, ", "))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "path of the configuration file")
	cmd.Flags().BoolVar(&deprecated, "allow-deprecated-api", false, "do not warn of deprecated versions of the API")
	cmd.Flags().BoolVar(&experimental, "allow-experimental-api", false, "allow experimental versions of the API (there are none)")
	return cmd
}

func migrate(s *session.Session) *cobra.Command {
	var from, to string
	var experimental bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Write a configuration file anew in the newest version of its API",
		Long: `Write a configuration file anew in the newest version of its API, with the
defaults filled in. Comments and the order of fields are lost in what is
converted.

What only the machine can tell, such as its name and address, is not filled in.
Documents of the components and of clusteradm are kept as they are.`,
		Example: "  clusteradm config migrate --old-config v1beta3.yaml --new-config v1beta4.yaml",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := documents(s, "old-config", from, "clusteradm config migrate --help")
			if err != nil {
				return err
			}
			in := elsewhere(cmd.Context(), s, config.Overrides{})
			in.AllowDeprecated = true
			data, warnings, err := config.Migrate(docs, in)
			if err != nil {
				return err
			}
			s.Warn(warnings, nil)
			if to != "" {
				if err := write(cmd.Context(), s, to, data); err != nil {
					return err
				}
			}
			return show(s, "migration", to, data)
		},
	}
	cmd.Flags().StringVar(&from, "old-config", "", "path of the file to convert")
	cmd.Flags().StringVar(&to, "new-config", "", "path of the file to write (default: stdout)")
	cmd.Flags().BoolVar(&experimental, "allow-experimental-api", false, "allow experimental versions of the API (there are none)")
	return cmd
}

// write replaces a file as a whole, the one that a link leads to. Tokens and
// certificate keys are in it, so it is for its owner only.
func write(ctx context.Context, s *session.Session, path string, data []byte) error {
	whole, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if whole, err = target(ctx, s.Machine, whole); err != nil {
		return &exit.UsageError{Err: fmt.Errorf("write configuration: %w", err), Help: "leave out --new-config for stdout"}
	}
	attr := host.Attr{Mode: 0o600, UID: os.Getuid(), GID: os.Getgid()}
	return s.Machine.WriteFiles(ctx, []host.File{{Path: whole, Content: data, Attr: attr}})
}

// target is the file that a path leads to, there or not. Anything but a file,
// /dev/stdout above all, must not be replaced by one.
func target(ctx context.Context, h host.Reader, path string) (string, error) {
	for range 40 { // as many links as Linux follows
		info, err := h.Stat(ctx, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.Mode.IsRegular():
			return path, nil
		case info.Mode&fs.ModeSymlink == 0:
			return "", fmt.Errorf("%s is not a file", path)
		case filepath.IsAbs(info.Target):
			path = info.Target
		default:
			path = filepath.Join(filepath.Dir(path), info.Target)
		}
		// The kernel's own links to what is open lead to no path.
		if strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/dev/") {
			return "", fmt.Errorf("%s is not a file", path)
		}
	}
	return "", fmt.Errorf("%s: too many links", path)
}
