//go:build e2e

package scenarios

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/contract"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// obstacle is something in the way of an init.
type obstacle struct {
	name   string
	config string // laid over the good configuration
	put    string // shell on the node
	away   string // what takes it away again
	exit   int
	says   []string
	// halfway: files before the obstacle are written and stay.
	halfway bool
}

const certificates = `mkdir -p /etc/kubernetes/pki && cd /etc/kubernetes/pki && openssl ecparam -name prime256v1 -genkey -noout -out ca.key 2>/dev/null &&
openssl req -x509 -new -key ca.key -subj /CN=kubernetes -days 3000 -out ca.crt && chmod 600 ca.key
`

const noCertificates = "rm -rf /etc/kubernetes/pki"

// In the order in which an init comes to them.
var obstacles = []obstacle{{
	name:   "unknown field",
	config: "kind: ClusterConfiguration\nnetworking:\n  podSubnets: 10.244.0.0/16\n",
	exit:   2, says: []string{"ClusterConfiguration networking.podSubnets: unknown field", "line ", "column ", "hint: did you mean podSubnet?"},
}, {
	name:   "wrong type",
	config: "kind: ClusterConfiguration\napiServer:\n  certSANs: true\n",
	exit:   2, says: []string{"ClusterConfiguration apiServer.certSANs: is a boolean, must be a list", "line "},
}, {
	name:   "overlapping CIDRs",
	config: "kind: ClusterConfiguration\nnetworking:\n  podSubnet: 10.96.0.0/16\n",
	exit:   2, says: []string{"networking.podSubnet: 10.96.0.0/16 overlaps the service subnet 10.96.0.0/12", "hint: "},
}, {
	name: "damaged key", put: certificates + "echo nonsense > ca.key", away: noCertificates,
	exit: 1, says: []string{"/etc/kubernetes/pki/ca.key", "no private key in it", "hint: "},
}, {
	name: "encrypted key", put: certificates + "openssl ec -in ca.key -aes256 -passout pass:x -out e.key 2>/dev/null && mv e.key ca.key", away: noCertificates,
	exit: 1, says: []string{"/etc/kubernetes/pki/ca.key", "encrypted"},
}, {
	name: "key that cannot be read", put: certificates + "rm ca.key && mkdir ca.key", away: noCertificates,
	exit: 1, says: []string{"/etc/kubernetes/pki/ca.key", "is a directory"},
}, {
	name: "truncated certificate", put: certificates + "head -c 300 ca.crt > c && mv c ca.crt", away: noCertificates,
	exit: 1, says: []string{"/etc/kubernetes/pki/ca.crt", "truncated", "hint: "},
}, {
	name: "read-only /etc",
	put:  "mount --bind /etc /etc && mount -o remount,ro,bind /etc", away: "umount /etc",
	exit: 1, says: []string{"/etc/kubernetes", "read-only file system", "hint: "},
}, {
	// Room for the certificates, not for all kubeconfigs.
	name: "full disk",
	put:  "mount -t tmpfs -o mode=755,size=100k contract /etc/kubernetes && mkdir -m 755 /etc/kubernetes/manifests", away: "mount -o remount,size=4m /etc/kubernetes",
	exit: 6, says: []string{"/etc/kubernetes/", "no space left on device", "hint: df -h /etc/kubernetes"}, halfway: true,
}, {
	name: "immutable file",
	put:  "mkdir -p /var/lib/kubelet && echo x > /var/lib/kubelet/kubeadm-flags.env && chattr +i /var/lib/kubelet/kubeadm-flags.env", away: "chattr -i /var/lib/kubelet/kubeadm-flags.env",
	exit: 6, says: []string{"/var/lib/kubelet/kubeadm-flags.env", "operation not permitted", "hint: lsattr"}, halfway: true,
}, {
	name: "no room for etcd",
	put:  "mkdir -p -m 700 /var/lib/etcd && mount -t tmpfs -o mode=700,size=20m contract /var/lib/etcd", away: "umount /var/lib/etcd",
	exit: 4, says: []string{"DiskSpace", "/var/lib/etcd", "hint: "},
}}

// Whatever is in the way is told with its place and the right exit code,
// nothing is left half-written, and with it out of the way the same command
// goes on to a healthy cluster.
func TestBadInput(t *testing.T) {
	budget(t, 10*time.Minute)
	p := newProof(t, "bad-input")
	if p == nil {
		return
	}
	ctx := t.Context()
	c := up(t, "bad-input", "cp1")
	n := c.ControlPlane()
	written := map[string]string{} // by the runs that were stopped
	for _, o := range obstacles {
		t.Run(o.name, func(t *testing.T) {
			must(t, c.WriteInitConfig(ctx, n, "/root/init.yaml", true, ""))
			shell(t, n, o.put)
			if o.config != "" {
				overlay(t, n, o.config)
			}
			before := content(t, n)
			r, err := n.Run(ctx, nil, clusters.Binary, "init", "--config", "/root/init.yaml")
			must(t, err)
			after := content(t, n)
			shell(t, n, o.away)
			for _, text := range o.says {
				if !strings.Contains(r.Stderr, text) {
					t.Errorf("it does not say %q", text)
				}
			}
			if r.Exit != o.exit {
				t.Errorf("exit %d, want %d", r.Exit, o.exit)
			}
			if t.Failed() {
				t.Logf("%s%s", r.Stdout, r.Stderr)
			}
			if !o.halfway && !maps.Equal(before, after) {
				t.Errorf("it changed something: %v", changed(before, after))
			}
			for path, sum := range after {
				if strings.Contains(path, ".clusteradm-") {
					t.Errorf("%s is left", path)
				}
				if before[path] != sum {
					written[path] = sum
				}
			}
			p.add("%s: exit %d, %s", o.name, r.Exit, lastError(r.Stderr))
			if soak && o.halfway {
				goesOn(t, c, written)
				must(t, n.Renew(ctx))
				must(t, n.CopyFile(ctx, binary, clusters.Binary))
				clear(written)
			}
		})
	}
	must(t, c.WriteInitConfig(ctx, n, "/root/init.yaml", true, ""))
	goesOn(t, c, written)
	p.add("with the obstacle out of the way the same command went on to a healthy cluster, with every file that the stopped run had written")
}

// goesOn runs init to its end. Files that stopped runs wrote were whole: they
// are what they are in the finished cluster.
func goesOn(t *testing.T, c *clusters.Cluster, written map[string]string) {
	t.Helper()
	n := c.ControlPlane()
	do(t)(clusters.Must(t.Context(), n, clusters.Binary, "init", "--config", "/root/init.yaml"))
	must(t, c.WaitReady(t.Context(), 2*time.Minute, "cp1"))
	now := content(t, n)
	for path, sum := range written {
		if strings.HasSuffix(path, ".key") && now[path] != sum {
			t.Errorf("%s was %s, is %s", path, sum, now[path])
		}
		if now[path] == "" {
			t.Errorf("%s is gone", path)
		}
	}
}

func shell(t *testing.T, n *nodes.Node, script string) {
	t.Helper()
	if script != "" {
		do(t)(clusters.Must(t.Context(), n, "sh", "-ec", script))
	}
}

// overlay spoils the configuration that is there.
func overlay(t *testing.T, n *nodes.Node, documents string) {
	t.Helper()
	good, err := n.ReadFile(t.Context(), "/root/init.yaml")
	must(t, err)
	bad, err := contract.Merge(string(good), documents)
	must(t, err)
	must(t, n.WriteFile(t.Context(), "/root/init.yaml", []byte(bad), 0o600))
}

// content is what an init writes to, by path: attributes and digests.
func content(t *testing.T, n *nodes.Node) map[string]string {
	t.Helper()
	const files = `cd / && find etc var/lib/kubelet var/lib/etcd -path var/lib/etcd/member -prune -o -path var/lib/kubelet/pods -prune -o -type f `
	all := map[string]string{}
	for _, script := range []string{files + `-printf '%m:%U:%G  /%p\n'`, files + `-print0 | xargs -0 -r sha256sum | sed 's|  |  /|'`} {
		r, err := n.Run(t.Context(), nil, "sh", "-c", script) // of which one may not be there
		must(t, err)
		for line := range strings.Lines(r.Stdout) {
			what, path, _ := strings.Cut(strings.TrimSpace(line), "  ")
			all[path] += what + " "
		}
	}
	return all
}

func changed(before, after map[string]string) []string {
	var list []string
	for path, sum := range after {
		if before[path] != sum {
			list = append(list, path)
		}
	}
	for path := range before {
		if after[path] == "" {
			list = append(list, path+" (gone)")
		}
	}
	slices.Sort(list)
	return list
}

// lastError is the line with which the program said why.
func lastError(stderr string) string {
	for line := range strings.Lines(stderr) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			return strings.TrimSpace(text)
		}
	}
	return ""
}
