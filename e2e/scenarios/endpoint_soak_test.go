//go:build e2e && soak

package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// The same on a cluster that kubeadm made with another endpoint.
func TestEndpointChangeOfKubeadm(t *testing.T) {
	budget(t, 6*time.Minute)
	p := newProof(t, "endpoint-change-kubeadm")
	if p == nil {
		return
	}
	ctx, c := t.Context(), up(t, "endpointk", "cp1", "w1", "w2")
	named(t, c)
	must(t, c.WriteInitConfig(ctx, c.ControlPlane(), "/root/init.yaml", false, "controlPlaneEndpoint: "+oldName+":6443\n"))
	do(t)(clusters.Must(ctx, c.ControlPlane(), "kubeadm", "init", "--config", "/root/init.yaml"))
	m := &moving{t: t, c: c, p: p, old: oldName}
	m.join("w1", oldName, "kubeadm")
	m.shows("w1", oldName, 0)
	m.moves(newName, "cp1", "w1")
	do(t)(clusters.Must(ctx, c.ControlPlane(), "kubeadm", "certs", "check-expiration"))
	m.join("w2", newName, "kubeadm")
	p.add("kubeadm joined w2 by the new endpoint")
	m.moves(oldName, "cp1", "w1", "w2")
	p.add("and the way back is the same command")
}

// With three control planes the first two are made ready, and the third moves
// the cluster: behind a name that leads to all, any of them may answer.
func TestEndpointChangeOfThree(t *testing.T) {
	budget(t, 8*time.Minute)
	p := newProof(t, "endpoint-change-three")
	if p == nil {
		return
	}
	ctx, c := t.Context(), up(t, "endpoint3", "cp1", "cp2", "cp3", "w1")
	named(t, c)
	cp := c.ControlPlane()
	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", true, "controlPlaneEndpoint: "+oldName+":6443\n"))
	do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml"))
	m := &moving{t: t, c: c, p: p, old: oldName}
	key := (&sharing{t: t, c: c}).keyOf(do(t)(clusters.Must(ctx, cp, clusters.Binary, "token", "create", "--print-join-command", "--control-plane")))
	for _, name := range []string{"cp2", "cp3"} {
		n := c.Lab.Node(name)
		text, err := nodes.Kubeadm{Versions: c.Versions, Node: name, Address: n.Address(), Endpoint: oldName + ":6443", CACertHashes: []string{do(t)(c.Pin(ctx))}, CertificateKey: key}.JoinConfig()
		must(t, err)
		must(t, n.WriteFile(ctx, "/root/join.yaml", []byte(text), 0o600))
		do(t)(clusters.Must(ctx, n, clusters.Binary, "join", "--config", "/root/join.yaml"))
	}
	m.join("w1", oldName, clusters.Binary)
	must(t, c.WaitReady(ctx, 3*time.Minute, "cp1", "cp2", "cp3", "w1"))
	all := ""
	for _, name := range []string{"cp1", "cp2", "cp3"} {
		all += c.Lab.Node(name).Address() + " " + newName + "\n"
	}
	for _, n := range c.Lab.Nodes() {
		do(t)(clusters.Must(ctx, n, "sh", "-c", "sed -i 's/ "+newName+"//' /etc/hosts; echo '"+strings.TrimSpace(all)+"' >>/etc/hosts"))
	}

	m.refused("cp1", "on cp2, cp3: clusteradm endpoint set")
	m.refused("cp2", "on cp3: clusteradm endpoint set")
	if config := m.kubectl("-n", "kube-system", "get", "cm", "kubeadm-config", "-o", "yaml"); strings.Contains(config, newName) {
		t.Error("the cluster has moved before all were ready")
	}
	p.add("the first two runs made their machines ready and named those that are waited for")
	m.moves(newName, "cp3", "cp1", "cp2", "w1")
	must(t, c.WaitReady(ctx, 2*time.Minute, "cp1", "cp2", "cp3", "w1"))
}
