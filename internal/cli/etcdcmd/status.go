package etcdcmd

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
)

// told is one member as it is printed.
type told struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"` // empty until it has started
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Role       string   `json:"role"` // leader, follower, learner
	// Node is the machine's, if the API server was asked and has one.
	Node string `json:"node,omitempty"`
}

// state is what status knows of a member besides.
type state struct {
	told
	Healthy bool             `json:"healthy"`
	Error   string           `json:"error,omitempty"`
	Version string           `json:"version,omitempty"`
	Size    int64            `json:"dbSize,omitempty"`
	InUse   int64            `json:"dbInUse,omitempty"`
	Quota   int64            `json:"dbQuota,omitempty"`
	Term    uint64           `json:"raftTerm,omitempty"`
	Index   uint64           `json:"raftIndex,omitempty"`
	Behind  uint64           `json:"behind"` // of the log, what its database lacks of the furthest
	Alarms  []etcd.AlarmKind `json:"alarms,omitempty"`
}

type tally struct {
	etcd.Tally
	Held    bool   `json:"held"`
	MayFail int    `json:"mayFail"`
	Says    string `json:"says"`
}

type statusResult struct {
	Kind     string         `json:"kind"` // "etcd-status"
	Quorum   tally          `json:"quorum"`
	Members  []state        `json:"members"`
	Findings []etcd.Finding `json:"findings"`
}

func roleOf(m etcd.Seen, leader uint64) string {
	switch {
	case m.Learner:
		return "learner"
	case m.ID == leader:
		return "leader"
	}
	return "follower"
}

func tell(m etcd.Seen, leader uint64, nodes nodes) told {
	return told{ID: fmt.Sprintf("%x", m.ID), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Role: roleOf(m, leader), Node: nodes.of(m.Member)}
}

// LostError reports that status found no quorum.
type LostError struct{ Tally etcd.Tally }

func (e *LostError) Error() string { return "etcd cannot write: " + e.Tally.String() }

// Hint is what brings it back.
func (e *LostError) Hint() string {
	return "journalctl -u kubelet -n 50   # on the machines of members that do not serve; see docs/etcd.md"
}

func status(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how the members are and what may fail",
		Long: `Show each member of etcd, how it is, and how many may fail before nothing can
be written; and what is not as it should be, with a command that helps.

BEHIND is how much of the log a member's database lacks. The exit code is 1
when there is no quorum.`,
		Example: "  clusteradm etcd status\n  clusteradm etcd status -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runStatus(cmd.Context(), s) },
	}
}

func runStatus(ctx context.Context, s *session.Session) error {
	o, err := open(ctx, s)
	if err != nil {
		return err
	}
	defer o.client.Close()
	nodes := askNodes(ctx, s)
	t := etcd.Count(o.seen)
	r := statusResult{Kind: "etcd-status", Quorum: tally{t, t.Held(), t.MayFail(), t.String()},
		Findings: append(etcd.Findings(o.seen, o.stayed, o.quota()), nodes.gone(o.seen)...)}
	if r.Findings == nil {
		r.Findings = []etcd.Finding{}
	}
	leader, _ := etcd.Leader(o.seen)
	var furthest uint64
	for _, m := range o.seen {
		furthest = max(furthest, m.Status.Index)
	}
	for _, m := range o.seen {
		st := state{told: tell(m, leader, nodes), Healthy: m.Healthy(), Alarms: m.Alarms}
		if m.Healthy() {
			st.Version, st.Size, st.InUse, st.Quota = m.Status.Version, m.Status.Size, m.Status.InUse, m.Quota(o.quota())
			st.Term, st.Index, st.Behind = m.Status.Term, m.Status.Index, furthest-min(m.Status.Applied, furthest)
		} else {
			st.Error = m.Err.Error()
		}
		r.Members = append(r.Members, st)
	}
	if err := print(s, r, func() { r.text(s) }); err != nil || t.Held() {
		return err
	}
	return &LostError{t}
}

func (r statusResult) text(s *session.Session) {
	table := tabwriter.NewWriter(s.Streams.Out, 4, 4, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tID\tROLE\tHEALTH\tVERSION\tDB SIZE\tIN USE\tTERM\tINDEX\tBEHIND\tNODE\tENDPOINT")
	for _, m := range r.Members {
		health, rest := "ok", "-\t-\t-\t-\t-\t-"
		if len(m.Alarms) > 0 {
			health = string(m.Alarms[0])
		}
		if m.Healthy {
			rest = fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%d", m.Version, effect.Bytes(m.Size), effect.Bytes(m.InUse), m.Term, m.Index, m.Behind)
		} else {
			health = "none"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(m.Name), m.ID, m.Role, health, rest, orDash(m.Node), orDash(strings.Join(m.ClientURLs, ",")))
	}
	_ = table.Flush()
	fmt.Fprintf(s.Streams.Out, "\n%s\n", r.Quorum.Says)
	for _, f := range r.Findings {
		fmt.Fprintf(s.Streams.Out, "\n%s\n", s.Streams.Fit("- "+f.Message))
		if f.Hint != "" {
			fmt.Fprintln(s.Streams.Out, "  hint:", f.Hint)
		}
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func members(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use: "members", Short: "List the members",
		Long: `List the members of etcd as it tells them. Without a quorum it is what one that
answers knew last.`,
		Example: "  clusteradm etcd members -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := open(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer o.client.Close()
			nodes := askNodes(cmd.Context(), s)
			leader, _ := etcd.Leader(o.seen)
			list := make([]told, 0, len(o.seen))
			for _, m := range o.seen {
				list = append(list, tell(m, leader, nodes))
			}
			return print(s, struct {
				Kind    string `json:"kind"`
				Members []told `json:"members"`
			}{"etcd-members", list}, func() {
				table := tabwriter.NewWriter(s.Streams.Out, 4, 4, 2, ' ', 0)
				fmt.Fprintln(table, "NAME\tID\tROLE\tPEER\tCLIENT\tNODE")
				for _, m := range list {
					fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", orDash(m.Name), m.ID, m.Role,
						orDash(strings.Join(m.PeerURLs, ",")), orDash(strings.Join(m.ClientURLs, ",")), orDash(m.Node))
				}
				_ = table.Flush()
			})
		},
	}
}
