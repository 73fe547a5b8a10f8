//go:build e2e

package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Further control planes: one by one and two in the same second, with the
// shared certificates brought by hand, to a cluster of clusteradm's.
func TestJoinControlPlane(t *testing.T) {
	budget(t, 8*time.Minute)
	ctx, p := t.Context(), newProof(t, "join-control-plane")
	if p == nil {
		return
	}
	c := up(t, "cpjoin", "cp1", "cp2", "cp3")
	must(t, initWithEndpoint(ctx, c, clusters.Binary))
	for _, name := range []string{"cp2", "cp3"} {
		must(t, prepareControlPlane(ctx, c, c.Lab.Node(name)))
	}
	var wait sync.WaitGroup
	for _, name := range []string{"cp2", "cp3"} {
		wait.Go(func() {
			started := time.Now()
			out, err := joinControlPlane(ctx, c.Lab.Node(name), clusters.Binary)
			p.add("%s joined at the same time as the other: %s", name, time.Since(started).Round(10*time.Millisecond))
			if err != nil {
				t.Error(err)
			}
			t.Log(out)
		})
	}
	wait.Wait()
	healthyControlPlanes(t, c, "cp1", "cp2", "cp3")
	for _, name := range []string{"cp1", "cp2"} {
		out := do(t)(joinControlPlane(ctx, c.Lab.Node("cp2"), clusters.Binary))
		t.Log(name, out)
	}
}

// initWithEndpoint makes the first control plane of a cluster that others can
// join.
func initWithEndpoint(ctx context.Context, c *clusters.Cluster, program string) error {
	cp1 := c.ControlPlane()
	if err := c.WriteInitConfig(ctx, cp1, "/root/init.yaml", program == clusters.Binary, "controlPlaneEndpoint: "+cp1.Address()+":6443\n"); err != nil {
		return err
	}
	_, err := clusters.Must(ctx, cp1, program, "init", "--config", "/root/init.yaml")
	return err
}

// prepareControlPlane brings the shared certificates to a node by hand, as
// kubeadm's documentation has it, and its configuration.
func prepareControlPlane(ctx context.Context, c *clusters.Cluster, n *nodes.Node) error {
	for _, file := range []string{"ca.crt", "ca.key", "sa.key", "sa.pub", "front-proxy-ca.crt", "front-proxy-ca.key", "etcd/ca.crt", "etcd/ca.key"} {
		path := "/etc/kubernetes/pki/" + file
		data, err := c.ControlPlane().ReadFile(ctx, path)
		if err != nil {
			return err
		}
		if _, err := clusters.Must(ctx, n, "mkdir", "-p", "/etc/kubernetes/pki/etcd"); err != nil {
			return err
		}
		if err := n.WriteFile(ctx, path, data, 0o600); err != nil {
			return err
		}
	}
	if err := c.WriteJoinConfig(ctx, n, "/root/join.yaml"); err != nil {
		return err
	}
	text, err := n.ReadFile(ctx, "/root/join.yaml")
	if err != nil {
		return err
	}
	with := fmt.Sprintf("controlPlane:\n  localAPIEndpoint:\n    advertiseAddress: %s\n    bindPort: 6443\nnodeRegistration:", n.Address())
	return n.WriteFile(ctx, "/root/join.yaml", []byte(strings.Replace(string(text), "nodeRegistration:", with, 1)), 0o600)
}

func joinControlPlane(ctx context.Context, n *nodes.Node, program string, flags ...string) (string, error) {
	r, err := n.Run(ctx, nil, append([]string{program, "join", "--config", "/root/join.yaml"}, flags...)...)
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("join of %s: exit %d", n.Name(), r.Exit)
	}
	return r.Stdout + r.Stderr, err
}

// healthyControlPlanes asserts that etcd has exactly a voter on each, started
// and healthy, that each API server is ready, and that each Node is marked.
func healthyControlPlanes(t *testing.T, c *clusters.Cluster, names ...string) {
	t.Helper()
	ctx := t.Context()
	var list struct {
		Members []struct {
			Name      string
			IsLearner bool
		}
	}
	must(t, json.Unmarshal([]byte(do(t)(etcdctl(ctx, c.ControlPlane(), "member", "list", "-w", "json"))), &list))
	var have []string
	for _, m := range list.Members {
		if m.IsLearner {
			t.Errorf("%s is a learner", m.Name)
		}
		have = append(have, m.Name)
	}
	if len(have) != len(names) {
		t.Errorf("etcd has the members %v, want %v", have, names)
	}
	do(t)(etcdctl(ctx, c.ControlPlane(), "endpoint", "health", "--cluster"))
	for _, name := range names {
		n := c.Lab.Node(name)
		ready := do(t)(clusters.Must(ctx, n, "kubectl", "--kubeconfig", "/etc/kubernetes/controller-manager.conf", "get", "--raw", "/readyz"))
		labels := do(t)(c.Kubectl(ctx, "get", "node", name, "-o", "jsonpath={.metadata.labels}{.spec.taints}"))
		if ready != "ok" || !strings.Contains(labels, "node-role.kubernetes.io/control-plane") || !strings.Contains(labels, "NoSchedule") {
			t.Errorf("%s: ready %q, node %s", name, ready, labels)
		}
	}
	must(t, c.WaitReady(ctx, 3*time.Minute, names...))
}

func etcdctl(ctx context.Context, n *nodes.Node, args ...string) (string, error) {
	return clusters.Must(ctx, n, append([]string{"etcdctl", "--endpoints", "https://127.0.0.1:2379", "--cacert", "/etc/kubernetes/pki/etcd/ca.crt",
		"--cert", "/etc/kubernetes/pki/etcd/healthcheck-client.crt", "--key", "/etc/kubernetes/pki/etcd/healthcheck-client.key"}, args...)...)
}
