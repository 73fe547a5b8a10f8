package certscmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/controlplane"
	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/event"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

type renewOptions struct {
	controlplane.Flags
	dryRun bool
}

func renew(s *session.Session) *cobra.Command {
	o := &renewOptions{}
	names := pki.Renewable(&cluster.Cluster{})
	cmd := &cobra.Command{
		Use:   "renew all|NAME…",
		Short: "Make new keys and certificates and have them used",
		Long: `Make new keys and certificates for all or some of a control plane's
certificates, whether or not they have expired, and have them used.

Subject, names and usages are those of the certificate on the disk; how long
the new one is valid is as configured, and never longer than its authority.
Components that read changed files by themselves are left running: the API
server and etcd. The controller manager and the scheduler, whose certificate is
inside of their kubeconfig, are restarted when that was renewed. What is served
is then looked at on the wire.

It needs no running API server: a control plane whose certificates have all
expired is brought back, and a kubelet whose client certificate has expired
gets another. Certificates of an authority whose key is not here are passed
over.

The names: ` + strings.Join(names, ", ") + `.`,
		Example: `  clusteradm certs renew all
  clusteradm certs renew apiserver front-proxy-client
  clusteradm certs renew all --dry-run`,
		ValidArgsFunction: func(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
			left := slices.DeleteFunc(append([]string{"all"}, names...), func(name string) bool { return slices.Contains(given, name) })
			return left, cobra.ShellCompDirectiveNoFileComp
		},
		Args: session.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runRenew(cmd.Context(), s, o, args)
		},
	}
	o.Add(cmd.Flags())
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be changed and change nothing")
	return cmd
}

func runRenew(ctx context.Context, s *session.Session, o *renewOptions, args []string) error {
	all := slices.Contains(args, "all")
	known := pki.Renewable(&cluster.Cluster{})
	for _, name := range args {
		if name != "all" && !slices.Contains(known, name) {
			return &exit.UsageError{Err: fmt.Errorf("renew %q: there is no such certificate; there are: all, %s", name, strings.Join(known, ", ")), Help: "clusteradm certs renew --help"}
		}
	}
	if all && len(args) > 1 {
		return &exit.UsageError{Err: errors.New("renew: all is all; give it alone"), Help: "clusteradm certs renew all"}
	}
	release, err := s.Lock("certs renew", o.dryRun)
	if err != nil {
		return err
	}
	defer release()
	k, err := controlplane.Load(ctx, s, o.Flags)
	if err != nil {
		return err
	}
	if k.Guessed != nil {
		s.Caution(event.Event{Message: "the cluster's configuration cannot be read, so what lies on this machine decides: " + k.Guessed.Error()})
	}
	slices.Sort(args)
	list := "certs renew " + strings.Join(slices.Compact(args), " ")
	in, renewal, err := prepareRenewal(ctx, s, k, list, all, args)
	if err != nil {
		return err
	}
	for _, ca := range slices.Sorted(maps.Keys(renewal.Cut)) {
		s.Caution(event.Event{Message: fmt.Sprintf("ca %s ends at %s, and with it what is renewed under it", ca, renewal.Cut[ca].UTC().Format(time.RFC3339))})
	}
	p, err := plan.Build(list, phases.Renew(), in, nil)
	if err != nil {
		return err
	}
	parts := world.Parts{Kube: controlplane.Administrator(s, in.Node, in.Cluster.Timeouts.APICall), Runtime: s.Runtime(k.Node.CRISocket)}
	if o.dryRun {
		return s.DryRun(ctx, parts, p)
	}
	if _, err := s.Apply(ctx, parts, p); err != nil {
		return err
	}
	return printRenewal(s, in, renewal)
}

func prepareRenewal(ctx context.Context, s *session.Session, k *controlplane.Known, list string, all bool, args []string) (plan.Input, pki.Renewal, error) {
	names, there := args, pki.Renewable(k.Cluster)
	if k.EtcdAlone() {
		there = slices.DeleteFunc(there, func(name string) bool { return !strings.Contains(name, "etcd") })
	}
	if all {
		names = there
	}
	for _, name := range names {
		if !slices.Contains(there, name) && k.EtcdAlone() {
			return plan.Input{}, pki.Renewal{}, &skippedError{pki.Skipped{Name: name, Reason: "this machine runs etcd alone and has none"}}
		}
		if !slices.Contains(there, name) {
			return plan.Input{}, pki.Renewal{}, &skippedError{pki.Skipped{Name: name, Reason: "etcd is external: its certificates are not this cluster's"}}
		}
	}
	f, err := look(ctx, s, k)
	if err != nil {
		return plan.Input{}, pki.Renewal{}, err
	}
	written, err := interrupted(s, list)
	if err != nil {
		return plan.Input{}, pki.Renewal{}, err
	}
	now := s.Now()
	renewal, err := pki.Renew(f.PKI, k.Cluster, names, written, now)
	if err != nil {
		return plan.Input{}, renewal, err
	}
	if !all && len(renewal.Skipped) > 0 {
		return plan.Input{}, renewal, &skippedError{renewal.Skipped[0]}
	}
	in := plan.Input{Cluster: k.Cluster, Node: k.Node, Facts: session.HostFacts(now, k.Node.Host, f),
		Certs: plan.Certs{Files: renewal.Files, Broken: renewal.Expired}}
	for _, name := range names {
		if !slices.ContainsFunc(renewal.Skipped, func(s pki.Skipped) bool { return s.Name == name }) {
			in.Certs.Names = append(in.Certs.Names, name)
		}
	}
	if all {
		in.Certs.KubeletClient, in.Certs.KubeletConf, err = pki.RenewKubelet(f.PKI, k.Cluster, k.Node.Name, now)
		in.Certs.Broken = in.Certs.Broken || !in.Certs.KubeletClient.Empty()
	}
	return in, renewal, err
}

// goOnWithin is how long an interrupted renewal is gone on with; a later one
// is a new one, and what it had made is as old as anything else.
const goOnWithin = time.Hour

// interrupted tells what an interrupted run of the same list has written, by
// its journal. Without one, or with a lost one, all is made anew, which is as
// good.
func interrupted(s *session.Session, list string) (func(string, secret.Bytes) bool, error) {
	sums := map[string][]string{}
	run, err := s.Runs.Latest()
	if err != nil {
		return nil, err
	}
	if run != nil && run.Unfinished() && strings.HasPrefix(run.List(), "certs renew ") && run.List() != list {
		s.Caution(event.Event{Message: "clusteradm " + run.List() + " was interrupted: what it has written is perhaps not used yet", Hint: "clusteradm " + run.List()})
	}
	if run != nil && run.Unfinished() && run.List() == list {
		for _, e := range run.Entries {
			if e.Kind == state.Intent && e.Undo != nil && s.Now().Sub(e.Time) < goOnWithin {
				if path, sum, ok := effect.Wrote(*e.Undo); ok {
					sums[path] = append(sums[path], sum)
				}
			}
		}
	}
	return func(path string, content secret.Bytes) bool { return slices.Contains(sums[path], content.Digest()) }, nil
}

// skippedError is about a certificate that was asked for by its name.
type skippedError struct{ pki.Skipped }

func (e *skippedError) Error() string { return "renew " + e.Name + ": " + e.Reason }

// Hint is what shows, or makes, what is missing.
func (e *skippedError) Hint() string { return "clusteradm certs check-expiration" }

func printRenewal(s *session.Session, in plan.Input, r pki.Renewal) error {
	names := append([]string{}, in.Certs.Names...)
	if !in.Certs.KubeletClient.Empty() {
		names = append(names, "kubelet-client")
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string        `json:"kind"`
			Renewed []string      `json:"renewed"`
			Skipped []pki.Skipped `json:"skipped,omitempty"`
		}{"result", names, r.Skipped})
	}
	for _, name := range names {
		fmt.Fprintln(s.Streams.Out, "renewed", name)
	}
	for _, skipped := range r.Skipped {
		fmt.Fprintf(s.Streams.Out, "not renewed: %s, %s\n", skipped.Name, skipped.Reason)
	}
	return nil
}
