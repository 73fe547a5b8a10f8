//go:build e2e

package scenarios

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/contract"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// side is one of the two programs and the lab that it works in. Nodes have the
// same names in both.
type side struct {
	program string
	c       *clusters.Cluster
	run     *clusters.ContractRun
}

// kubeadm and clusteradm, given the same configuration, leave the same node
// and the same cluster, except for what contract.Allowed says.
func TestContract(t *testing.T) {
	budget(t, 30*time.Minute)
	p := newProof(t, "contract")
	if p == nil {
		return
	}
	sides := []*side{{program: "kubeadm"}, {program: clusters.Binary}}
	for i, name := range []string{"contract-k", "contract-c"} {
		sides[i].c = up(t, name, "cp1", "w1")
	}
	ran, found, things := 0, map[string][]contract.Difference{}, 0
	fresh := true
	for _, tc := range contractCases {
		if !soak && !tc.ci {
			continue
		}
		t.Run(tc.name, func(t *testing.T) {
			started := time.Now()
			both(t, sides, func(s *side) error { return s.init(t.Context(), tc, !fresh) })
			fresh = false
			found[tc.name] = compare(t, sides, tc.name)
			s, err := sides[1].run.Snapshot(t.Context())
			must(t, err)
			things += len(s)
			ran++
			p.add("%s: %d places compared, %d differ as allowed, %s", tc.name, len(s), len(found[tc.name]), time.Since(started).Round(time.Second))
			if tc.planted {
				plant(t, sides, tc.name)
				p.add("three differences planted in the clusters of %s were found, and nothing else", tc.name)
			}
			if !tc.worker {
				return
			}
			both(t, sides, func(s *side) error { return s.join(t.Context()) })
			found[contract.WorkerJoin] = compare(t, sides, contract.WorkerJoin)
			p.add("%s: %d differ as allowed", contract.WorkerJoin, len(found[contract.WorkerJoin]))
		})
	}
	for _, wrong := range contract.Judge(contract.Allowed, found) {
		t.Error(wrong)
	}
	p.add("%d configurations, %d places, %d allowed differences", ran, things, len(contract.Allowed))
	p.partial = ran < len(contractCases)
}

// both lets the two sides work at the same time.
func both(t *testing.T, sides []*side, do func(*side) error) {
	t.Helper()
	errs := make([]error, len(sides))
	var group sync.WaitGroup
	for i, s := range sides {
		group.Go(func() { errs[i] = do(s) })
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", sides[i].program, err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
}

// compare gives the clusters the time in which the kubelet of kubeadm's asks
// for its certificate: what it tried before there was an API server it tries
// again at growing intervals, and after a pause of 32 s (client-go's
// util/certificate).
func compare(t *testing.T, sides []*side, name string) []contract.Difference {
	t.Helper()
	found, err := clusters.CompareContract(t.Context(), sides[0].run, sides[1].run, 2*time.Minute, func(d []contract.Difference) []string {
		return contract.Judge(contract.Allowed, map[string][]contract.Difference{name: d})
	})
	must(t, err)
	return found
}

// plant makes sure that differences between real clusters are seen.
func plant(t *testing.T, sides []*side, name string) {
	t.Helper()
	shell(t, sides[1].c.ControlPlane(), `chmod 0640 /etc/kubernetes/scheduler.conf && touch /etc/cron.d/stray &&
kubectl --kubeconfig /etc/kubernetes/admin.conf annotate -n kube-public cm/cluster-info stray=yes >/dev/null`)
	want, err := sides[0].run.Snapshot(t.Context())
	must(t, err)
	got, err := sides[1].run.Snapshot(t.Context())
	must(t, err)
	var found []string
	for _, d := range contract.Compare(want, got) {
		if len(contract.Unexpected(contract.Allowed, name, []contract.Difference{d})) > 0 {
			found = append(found, d.Where)
		}
	}
	planted := []string{"/etc/cron.d/stray", "/etc/kubernetes/scheduler.conf#@attributes", "ConfigMap kube-public/cluster-info#/metadata/annotations"}
	if !slices.Equal(found, planted) {
		t.Errorf("of what was planted, %q, was found %q", planted, found)
	}
}

// init makes a cluster on a machine on which nothing has been.
func (s *side) init(ctx context.Context, tc contractCase, renew bool) error {
	n := s.c.ControlPlane()
	if renew {
		if err := n.Renew(ctx); err != nil {
			return err
		}
		if err := n.CopyFile(ctx, binary, clusters.Binary); err != nil {
			return err
		}
	}
	started := time.Now()
	overlays := []string{contractComponents, tc.documents}
	if tc.generated {
		overlays = overlays[1:]
		const flags = "KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs --fail-cgroupv1=false\n"
		if err := n.WriteFile(ctx, "/etc/default/kubelet", []byte(flags), 0o644); err != nil {
			return err
		}
	}
	if tc.ownToken {
		overlays = append(overlays, "kind: InitConfiguration\nbootstrapTokens: null\n")
	}
	if s.program == "kubeadm" {
		overlays = append(overlays, tc.kubeadmOnly)
	}
	input, err := s.documents(n, contractBase, overlays...)
	if err != nil {
		return err
	}
	if err := n.WriteFile(ctx, contractConfig, []byte(input), 0o600); err != nil {
		return err
	}
	if tc.prepare != "" {
		script := "set -e\nCONFIG=" + contractConfig + "\n" + strings.ReplaceAll(tc.prepare, "__ADDRESS__", n.Address())
		if _, err := clusters.Must(ctx, n, "sh", "-c", script); err != nil {
			return err
		}
	}
	if s.run, err = s.c.BeginContract(n, started, input, !tc.ownToken); err != nil {
		return err
	}
	_, err = clusters.Must(ctx, n, s.program, "init", "--config", contractConfig)
	return err
}

func (s *side) join(ctx context.Context) error {
	n := s.c.Lab.Node("w1")
	input, err := s.documents(s.c.ControlPlane(), contractJoin)
	if err != nil {
		return err
	}
	if err := n.WriteFile(ctx, contractConfig, []byte(input), 0o600); err != nil {
		return err
	}
	// A node with a pod network: clusteradm waits until it is Ready.
	if err := n.WriteFile(ctx, "/etc/cni/net.d/10-contract.conflist", []byte(contractNetwork), 0o644); err != nil {
		return err
	}
	if s.run, err = s.c.BeginContract(n, time.Now(), input, true); err != nil {
		return err
	}
	_, err = clusters.Must(ctx, n, s.program, "join", "--config", contractConfig)
	return err
}

const contractNetwork = `{"cniVersion": "1.0.0", "name": "contract", "plugins": [
{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.244.200.0/24"}}]}
`

const contractConfig = "/root/contract/config.yaml"

// documents are merged and filled in for a node.
func (s *side) documents(n *nodes.Node, base string, overlays ...string) (string, error) {
	text, err := contract.Merge(base, overlays...)
	if err != nil {
		return "", fmt.Errorf("%s: %w", s.program, err)
	}
	return strings.NewReplacer("__ADDRESS__", n.Address(), "__KUBERNETES__", s.c.Versions.Kubernetes,
		"__COREDNS__", s.c.Versions.CoreDNSTag(), "__ETCD__", s.c.Versions.EtcdTag()).Replace(text), nil
}
