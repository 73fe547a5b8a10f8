package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// Links is that network interfaces of these names and kinds are not there any
// more, nor the ends of pods' veth pairs that hang on the bridges among them.
type Links struct {
	Host  string
	Names []Link
}

// Link is one network interface as `ip` knows it.
type Link struct{ Name, Kind string }

// Key implements plan.Effect.
func (l Links) Key() string { return fmt.Sprintf("links %v", l.Names) }

// Observe implements plan.Effect.
func (l Links) Observe(ctx context.Context, v plan.View) (plan.Observed, error) {
	found, err := l.find(ctx, v.Host(l.Host))
	if err != nil {
		return nil, wrapObserve(l, err)
	}
	return found, nil
}

// find lists what is there, pods' ends first.
func (l Links) find(ctx context.Context, h host.Reader) ([]string, error) {
	res, err := h.Query(ctx, host.Cmd{Args: []string{"ip", "-j", "-d", "link", "show"}})
	if err != nil {
		return nil, err
	}
	links, err := parseLinks(res.Stdout)
	if err != nil {
		return nil, err
	}
	var ends, found []string
	for _, link := range links {
		switch {
		case slices.Contains(l.Names, link.Link):
			found = append(found, link.Name)
		case link.Kind == "veth" && slices.Contains(l.Names, Link{link.master, "bridge"}):
			ends = append(ends, link.Name)
		}
	}
	return append(ends, found...), nil
}

type foundLink struct {
	Link
	master string
}

// parseLinks reads what `ip -j -d link show` prints.
func parseLinks(data []byte) ([]foundLink, error) {
	var printed []struct {
		Name   string `json:"ifname"`
		Master string `json:"master"`
		Info   struct {
			Kind string `json:"info_kind"`
		} `json:"linkinfo"`
	}
	if err := json.Unmarshal(data, &printed); err != nil {
		return nil, fmt.Errorf("read the list of network interfaces: %w", err)
	}
	links := make([]foundLink, 0, len(printed))
	for _, p := range printed {
		links = append(links, foundLink{Link{p.Name, p.Info.Kind}, p.Master})
	}
	return links, nil
}

// Diff implements plan.Effect.
func (l Links) Diff(observed plan.Observed) plan.Change {
	found := observed.([]string)
	if len(found) == 0 {
		return plan.Change{}
	}
	return plan.Change{Verb: plan.Delete, Summary: fmt.Sprintf("%d network interfaces", len(found)), Lines: removed("link ", found)}
}

// Apply implements plan.Effect.
func (l Links) Apply(ctx context.Context, w plan.World, observed plan.Observed) error {
	h := w.Mutate(l.Host)
	for _, name := range observed.([]string) {
		_, err := h.Run(ctx, host.Cmd{Args: []string{"ip", "link", "delete", "dev", name}})
		if exit := (*host.ExitError)(nil); errors.As(err, &exit) {
			// The end of a pod's pair goes with the pod's network, a moment later.
			if left, seen := l.find(ctx, h); seen == nil && !slices.Contains(left, name) {
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("delete network interface %s: %w", name, err)
		}
	}
	return nil
}
