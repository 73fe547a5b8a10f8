package endpointcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/phases"
)

// waiting is what the cluster's part waits for, in words.
func waiting(in plan.Input) []string {
	var list []string
	for _, s := range phases.EndpointWaits(in) {
		list = append(list, strings.TrimSpace(s.Node+" ")+": "+s.Problem)
	}
	if in.Endpoint.Silent != "" && !phases.EndpointReady(in) {
		list = append(list, "nothing answers at "+in.Endpoint.Address+": "+in.Endpoint.Silent)
	}
	return list
}

// result is what the command says.
type result struct {
	Kind     string `json:"kind"` // "result"
	Endpoint string `json:"endpoint"`
	Moved    bool   `json:"moved"` // the cluster, too
	// Waits are the API servers that the cluster's part waits for.
	Waits []plan.APIServer `json:"waits,omitempty"`
	// Silent is why nothing answers at the endpoint.
	Silent string `json:"silent,omitempty"`
	// Unbalanced are the nodes whose load balancer kube-proxy waits for.
	Unbalanced []string `json:"unbalanced,omitempty"`
	// Next are the machines on which to run the same command.
	Next []string `json:"next,omitempty"`
}

func (c *change) report(ctx context.Context, s *session.Session, in plan.Input, waits []string) error {
	again := c.again
	if len(waits) == 0 { // all else is in the cluster now
		again = "clusteradm endpoint set " + in.Endpoint.Address
	}
	out := result{Kind: "result", Endpoint: in.Endpoint.Address, Moved: len(waits) == 0, Waits: phases.EndpointWaits(in), Silent: in.Endpoint.Silent}
	for _, w := range out.Waits {
		out.Next = append(out.Next, cmp.Or(w.Node, w.Address))
	}
	if out.Moved && in.Node.ControlPlane {
		nodes, err := c.api.List(ctx, phases.NodeRef(""), "")
		if err != nil {
			return fmt.Errorf("list the other machines: %w", err)
		}
		for _, node := range nodes {
			if node.GetName() != in.Node.Name {
				out.Next = append(out.Next, node.GetName())
			}
		}
		if !phases.Balanced(in) {
			out.Unbalanced = slices.DeleteFunc(in.Endpoint.Unbalanced, func(name string) bool { return name == in.Node.Name })
		}
	}
	if err := out.print(s, in, again); err != nil {
		return err
	}
	if len(out.Unbalanced) > 0 {
		list := strings.Join(out.Unbalanced, ", ")
		return &exit.PendingError{Err: errors.New("endpoint set: kube-proxy stays where it is until there is a load balancer on " + list), Help: "on " + list + ", then here again: " + again}
	}
	if out.Moved {
		return nil
	}
	pending := &exit.PendingError{Err: errors.New("endpoint set: this machine is ready, and the cluster does not move yet: " + strings.Join(waits, "; ")), Help: again}
	if len(out.Next) > 0 {
		pending.Help = "on " + strings.Join(out.Next, ", ") + ": " + again
	}
	return pending
}

func (r result) print(s *session.Session, in plan.Input, again string) error {
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(r)
	}
	switch {
	case !r.Moved:
		return nil // the error says it
	case !in.Node.ControlPlane:
		_, err := fmt.Fprintln(s.Streams.Out, "this node uses "+in.Endpoint.After.NodeEndpoint(in.Node))
		return err
	}
	_, err := fmt.Fprintln(s.Streams.Out, "the cluster is reached at "+r.Endpoint)
	if err == nil && len(r.Next) > 0 {
		_, err = fmt.Fprintf(s.Streams.Out, "To have the other machines use it, on each of %s where it was not run since:\n\n  %s\n", strings.Join(r.Next, ", "), again)
	}
	return err
}
