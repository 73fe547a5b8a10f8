package preflight_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestResetChecks(t *testing.T) {
	all := []string{"preflight", "remove-etcd-member", "cleanup-node"}
	silent := &cluster.LocalEtcd{Name: "cp1", HasData: true, Unknown: "connection refused"}
	tools := []string{"iptables"}
	for name, c := range map[string]struct {
		remains cluster.Remains
		phases  []string
		fails   string // a check that is an error
		warns   string
	}{
		"nothing there":               {cluster.Remains{Runtime: "no such socket"}, all, "", ""},
		"a node that is well":         {cluster.Remains{Node: true, Firewall: tools}, all, "", ""},
		"etcd does not answer":        {cluster.Remains{Node: true, Firewall: tools, Etcd: silent}, all, "EtcdQuorum", ""},
		"etcd's manifest is unread":   {cluster.Remains{Node: true, Firewall: tools, EtcdUnread: "it is torn"}, all, "EtcdQuorum", ""},
		"etcd's manifest is away":     {cluster.Remains{Node: true, Firewall: tools, EtcdOrphan: true}, all, "", "EtcdQuorum"},
		"only etcd's data are there":  {cluster.Remains{Firewall: tools, EtcdOrphan: true}, all, "", ""},
		"the runtime does not":        {cluster.Remains{Node: true, Firewall: tools, Runtime: "connection refused"}, all, "CRI", ""},
		"no tools for the firewall":   {cluster.Remains{Node: true}, all, "", "Firewall"},
		"only nft":                    {cluster.Remains{Node: true, NFT: true}, all, "", ""},
		"etcd, but not in the run":    {cluster.Remains{Node: true, Firewall: tools, Etcd: silent}, []string{"cleanup-node"}, "", ""},
		"runtime, but not in the run": {cluster.Remains{Node: true, Runtime: "connection refused"}, []string{"remove-etcd-member"}, "", ""},
	} {
		findings, err := preflight.Run(preflight.Reset(c.phases), preflight.Subject{Remains: c.remains}, nil)
		var failed *preflight.FailedError
		if errors.As(err, &failed) != (c.fails != "") || failed != nil && (failed.Findings[0].Check != c.fails || len(failed.Findings) > 1) {
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
		warned := ""
		for _, f := range findings {
			if f.Hint == "" || strings.TrimSpace(f.Message) == "" {
				t.Errorf("%s: %+v helps nobody", name, f)
			}
			if f.Level == preflight.Warning {
				warned += f.Check
			}
		}
		if warned != c.warns {
			t.Errorf("%s: warned of %q, want %q", name, warned, c.warns)
		}
	}
}
