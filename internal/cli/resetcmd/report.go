package resetcmd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/phases"
)

// result is what a reset says at its end.
type result struct {
	Kind    string `json:"kind"`
	Run     string `json:"run,omitempty"`
	Changed int    `json:"changed"`
	Node    string `json:"node,omitempty"` // whose Node object the cluster still has
	// Left is what is there of others, Kept what --fix did and others changed.
	Left []string `json:"left,omitempty"`
	Kept []string `json:"kept,omitempty"`
	// EtcdData is where etcd's data stay, since the phase that removes the
	// member was not part of the run.
	EtcdData string `json:"etcdData,omitempty"`
}

func (p *prepared) report(ctx context.Context, s *session.Session, name string, r engine.Result) error {
	var left []string
	if p.cleans { // else what is there is still the cluster's
		var err error
		if left, err = p.left(ctx, s); err != nil {
			return err
		}
	}
	out := result{Kind: "result", Run: r.Run, Changed: r.Changed, Left: left, Kept: phases.Kept(p.input)}
	if e := p.input.Reset.Remains.Etcd; e != nil && e.HasData && p.input.Reset.KeepEtcdData {
		out.EtcdData = e.DataDir
	}
	if !p.ended() {
		out.Node = p.input.Reset.Remains.NodeName
	}
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(out)
	}
	w := s.Streams.Out
	switch {
	case r.Changed == 0:
		fmt.Fprintf(w, "%s: nothing to do\n", name)
	case !p.cleans:
		return nil
	default:
		fmt.Fprintf(w, "\nThis machine has nothing of its cluster any more (%d changes).\n", r.Changed)
	}
	for i, path := range left {
		if i == 0 {
			fmt.Fprintln(w, "\nNot made by clusteradm or kubeadm, and left in place:")
		}
		fmt.Fprintln(w, "  "+path)
	}
	for _, kept := range out.Kept {
		fmt.Fprintln(w, "Left as it is:", kept)
	}
	if out.EtcdData != "" {
		fmt.Fprintf(w, "\nThe data of etcd stay in %s: remove-etcd-member was not carried out.\n", out.EtcdData)
	}
	if r.Changed == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nA ~/.kube/config is its user's and was not touched.")
	if out.Node != "" {
		fmt.Fprintf(w, "The cluster still has the Node. On a control plane:\n\n  kubectl delete node %s\n", out.Node)
	}
	return nil
}

// ended reports that the cluster ended with this machine: its etcd was alone.
func (p *prepared) ended() bool {
	e := p.input.Reset.Remains.Etcd
	return e != nil && e.Unknown == "" && len(e.Members) <= 1
}
