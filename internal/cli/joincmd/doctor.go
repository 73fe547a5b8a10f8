package joincmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/event"
)

// Doctor gives a command join's flags and has it say what is in the way of a
// join, without joining.
func Doctor(s *session.Session, cmd *cobra.Command) {
	o, kubeconfig := &options{}, ""
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&kubeconfig, "kubeconfig", "", "an administrator's kubeconfig, which sees more (default /etc/kubernetes/admin.conf where it is)")
	for _, name := range []string{"dry-run", "fix", "ignore-preflight-errors", "patches", "skip-phases"} {
		_ = f.MarkHidden(name) // so that a join's command line can be given as it is
	}
	cmd.Use += argument
	cmd.Args = session.Args(cobra.MaximumNArgs(1))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.take(s, args); err != nil {
			return err
		}
		return o.doctor(cmd.Context(), s, kubeconfig)
	}
}

func (o *options) doctor(ctx context.Context, s *session.Session, kubeconfig string) error {
	if err := o.halfway(ctx, s); err != nil {
		return err
	}
	join, err := o.load(ctx, s)
	if err != nil {
		return err
	}
	s.Warn(join.Warnings, join.Unused)
	seen, err := look(ctx, s, join, adminConf(ctx, s, kubeconfig))
	if err != nil {
		return err
	}
	if f := seen.Admin.Fault; f.Text != "" {
		s.Caution(event.Event{Message: "an administrator's view is not to be had: " + f.Text, Hint: f.Hint})
	}
	findings := seen.Run()
	if err := show(s, seen.Standing(), findings); err != nil {
		return err
	}
	if wrong := diagnosis.Wrong(findings); len(wrong) > 0 {
		return &diagnosis.FailedError{Findings: wrong}
	}
	return nil
}

// halfway takes for the way to the cluster what a join has left on this machine,
// where no other is given.
func (o *options) halfway(ctx context.Context, s *session.Session) error {
	if o.file != "" || o.APIServerEndpoint != "" || o.DiscoveryFile != "" {
		return nil
	}
	// A control plane's kubelet knows only the API server beside it.
	for _, path := range []string{cluster.AdminConf, cluster.BootstrapKubeletConf, cluster.KubeletConf} {
		_, err := s.Machine.Stat(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		o.DiscoveryFile = path
		return err
	}
	return nil
}

// adminConf is where an administrator's kubeconfig is; empty: there is none.
func adminConf(ctx context.Context, s *session.Session, given string) string {
	if given != "" {
		return given
	}
	if _, err := s.Machine.Stat(ctx, cluster.AdminConf); err != nil {
		return ""
	}
	return cluster.AdminConf
}

func show(s *session.Session, standing string, findings []diagnosis.Finding) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind     string              `json:"kind"`
			List     string              `json:"list"`
			Standing string              `json:"standing"`
			Findings []diagnosis.Finding `json:"findings"`
		}{"diagnosis", "join", standing, findings})
	}
	count := map[diagnosis.Verdict]int{}
	for _, f := range findings {
		count[f.Verdict]++
		fmt.Fprint(s.Streams.Out, row(s, f))
	}
	_, err := fmt.Fprintf(s.Streams.Out, "%s\n%d ok, %d bad, %d cannot be told\n", standing, count[diagnosis.OK], count[diagnosis.Bad], count[diagnosis.Unknown])
	return err
}

// row is one finding. What is ok needs no way on.
func row(s *session.Session, f diagnosis.Finding) string {
	text := s.Streams.Fit(fmt.Sprintf("%-8s %-19s %s", f.Verdict, f.Name, f.Message)) + "\n"
	if f.Proof != "" {
		text += s.Streams.Fit("  proof: "+f.Proof) + "\n"
	}
	if f.Hint != "" && f.Verdict != diagnosis.OK {
		text += "  hint: " + f.Hint + "\n" // to be copied whole
	}
	return text
}
