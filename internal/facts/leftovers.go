package facts

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/procfs"
)

// packaged begin the names of network configurations that packages bring and
// that are no trace of a cluster.
var packaged = []string{"100-crio-bridge", "10-containerd-net", "200-loopback", "99-loopback", "87-podman", "11-crio", "."}

// leftoverFiles are found where they lie. An empty directory is none.
func (m *looker) leftoverFiles() {
	for _, e := range m.names("/etc/cni/net.d") {
		if ext := path.Ext(e); !begins(e, packaged) && (ext == ".conf" || ext == ".conflist" || ext == ".json") {
			m.left("network configuration /etc/cni/net.d/" + e)
		}
	}
	for _, dir := range []string{"/var/lib/cni/networks", "/var/lib/cni/results", "/var/lib/cni/flannel", "/var/lib/cni/cache"} {
		if len(m.names(dir)) > 0 {
			m.left("pod network state in " + dir)
		}
	}
	if len(m.names(cluster.KubeletDir+"/pods")) > 0 {
		m.left("a kubelet's pods in " + cluster.KubeletDir + "/pods")
	}
	for _, link := range m.names("/sys/class/net") {
		if begins(link, cluster.PodLinks()) {
			m.left("network interface " + link)
		}
	}
}

// leftoverRules asks only for what changes nothing to be asked: iptables-save
// without a table shows those that are there and makes none.
func (m *looker) leftoverRules() {
	if out, err := m.query(2*time.Second, "iptables-save"); err == nil {
		if n := kubeChains(out); n > 0 {
			m.left("iptables chains KUBE-…")
		}
	}
	if out, err := m.query(2*time.Second, "nft", "list", "tables"); err == nil {
		for _, table := range procfs.Tables(out) {
			if strings.HasSuffix(table, " kube-proxy") {
				m.left("nftables table " + table)
			}
		}
	}
}

// kubeChains counts kube-proxy's and the kubelet's chains in what
// iptables-save prints.
func kubeChains(saved string) int {
	n := 0
	for line := range strings.Lines(saved) {
		if strings.HasPrefix(line, ":KUBE-") {
			n++
		}
	}
	return n
}

// sandboxes are pods that run without a kubelet of ours.
func (m *looker) sandboxes(ctx context.Context, r cri.Reader) {
	if r == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	sandboxes, err := r.Sandboxes(ctx)
	if err != nil {
		return // that it does not answer is a fact of its own
	}
	for _, s := range sandboxes {
		m.leave(cluster.Leftover{What: s.Namespace + "/" + s.Name, Pod: true})
	}
}

func (m *looker) left(what string) { m.leave(cluster.Leftover{What: what}) }

func (m *looker) leave(l cluster.Leftover) {
	m.set(func(f *cluster.MachineFacts) { f.Leftovers = append(f.Leftovers, l) })
}

func (m *looker) names(dir string) []string {
	entries, err := m.ReadDir(m.ctx, dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
	}
	return names
}

func begins(name string, with []string) bool {
	for _, w := range with {
		if strings.HasPrefix(name, w) {
			return true
		}
	}
	return false
}
