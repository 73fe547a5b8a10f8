package etcdrolecmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/phases"
)

const argument = " ENDPOINT"

// Join returns the command that makes a further etcd machine.
func Join(s *session.Session) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join" + argument,
		Short: "Make this machine a further member of an etcd for control planes elsewhere",
		Long: `Make this machine a further member of an etcd for control planes elsewhere. The
endpoint is any member that runs: a host, host:port or URL.

etcd's authority has to be here before, ca.crt and ca.key below
/etc/kubernetes/pki/etcd, from the machine of clusteradm etcd init: it is what
this machine trusts the others by and they trust it. The member starts as a
learner and gets its vote when it is in sync. Machines that join at the same
time take turns. Run again after an interruption it goes on.`,
		Example: `  clusteradm etcd join 10.0.0.1
  clusteradm etcd join https://10.0.0.1:2379 --config etcd.yaml --dry-run`,
	}
	l := joinList(s)
	bind(s, &options{}, cmd, l, l.Phases, true)
	cmd.AddCommand(l.Command())
	return cmd
}

func joinList(s *session.Session) phasecmd.List {
	l := phasecmd.List{Name: "etcd join", Phases: phases.EtcdJoin(), Args: argument}
	l.Bind = func(cmd *cobra.Command, some []plan.Phase) { bind(s, &options{}, cmd, l, some, false) }
	return l
}

// address completes the argument: a host, host:port or URL.
func address(argument string) (string, error) {
	text := argument
	if !strings.Contains(text, "://") {
		if strings.Count(text, ":") > 1 && !strings.HasPrefix(text, "[") {
			text = "[" + text + "]" // IPv6
		}
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", &exit.UsageError{Err: fmt.Errorf("%q is no endpoint of etcd: it is a host, host:port or https URL", argument), Help: "clusteradm etcd join 10.0.0.1:2379"}
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "2379")
	}
	return u.Scheme + "://" + u.Host, nil
}

// MembershipError reports a membership in which this machine cannot join.
type MembershipError struct {
	Problem, Command string
	Err              error
}

func (e *MembershipError) Error() string {
	if e.Err == nil {
		return "join etcd: " + e.Problem
	}
	return "join etcd: " + e.Problem + ": " + e.Err.Error()
}

func (e *MembershipError) Unwrap() error { return e.Err }

// Hint is the command that makes it possible.
func (e *MembershipError) Hint() string { return e.Command }

// membership looks at who is there already, and whether this machine is.
func (p *prepared) membership(ctx context.Context, r etcd.Reader) error {
	members, err := r.Members(ctx)
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		return &MembershipError{"ask " + p.endpoint + " for its members", "clusteradm etcd status   # on the machine that is asked", err}
	}
	in := &p.input
	in.Join.Etcd.Data = p.runs()
	self, there := effect.MemberAt(members, manifests.EtcdPeerURL(in.Node))
	switch {
	case in.Join.Etcd.Data && !there:
		return &MembershipError{Problem: "this machine has data of a member that etcd has no more: it was removed", Command: "clusteradm reset   # then join again"}
	case !in.Join.Etcd.Data && there && self.Name != "":
		return &MembershipError{Problem: fmt.Sprintf("etcd has a member %s at this machine's address, whose data are not here", self.Name),
			Command: "clusteradm etcd member remove " + self.Name + "   # on another etcd machine; then join again"}
	}
	for _, m := range members {
		if m.Name == in.Node.Name && (!there || m.ID != self.ID) {
			return &MembershipError{Problem: fmt.Sprintf("another member is called %s, at %s", m.Name, strings.Join(m.PeerURLs, ",")), Command: "clusteradm etcd join --node-name NAME"}
		}
	}
	return nil
}
