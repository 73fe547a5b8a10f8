// Package clusters makes real clusters in a lab with the clusteradm binary and
// asks them questions, for the scenarios, the demo and the benchmarks. Judges
// are the upstream programs in the nodes: kubeadm, kubectl, etcdctl.
package clusters

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Binary is where the program under test is on every node.
const Binary = "/usr/local/bin/clusteradm"

// Kubeconfig is the administrator's on a control plane.
const Kubeconfig = "/etc/kubernetes/admin.conf"

// Cluster is a lab whose first node is the control plane.
type Cluster struct {
	Lab      *nodes.Lab
	Versions components.Versions
	Logf     func(format string, args ...any)
	// Endpoint is controlPlaneEndpoint, host:port; empty for none, as with one
	// control plane.
	Endpoint string
	front    string // the control plane that is asked, if it is not the first node
	pin      string
}

// Another is another cluster of the same lab, whose first control plane is n.
func (c *Cluster) Another(n *nodes.Node) *Cluster {
	return &Cluster{Lab: c.Lab, Versions: c.Versions, Logf: c.Logf, front: n.Name()}
}

// Build builds the program under test from the checkout at root, static.
func Build(ctx context.Context, root string) (string, error) {
	path := filepath.Join(root, "bin", "clusteradm")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "grpcnotrace", "-ldflags", "-s -w", "-o", path, "./cmd/clusteradm")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build clusteradm: %w\n%s", err, out)
	}
	return path, nil
}

// Root finds the checkout that the working directory is in.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("find checkout: no go.mod above the working directory")
}

// Up builds the program under test and boots a lab with it.
func Up(ctx context.Context, name string, names []string, logf func(string, ...any)) (*Cluster, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	binary, err := Build(ctx, root)
	if err != nil {
		return nil, err
	}
	return UpWith(ctx, binary, name, names, logf)
}

// UpWith boots a lab and puts the program at binary on its nodes.
func UpWith(ctx context.Context, binary, name string, names []string, logf func(string, ...any)) (*Cluster, error) {
	versions, err := components.VersionsFor(components.DefaultKubernetes)
	if err != nil {
		return nil, err
	}
	bundle, err := components.Build(ctx, components.Config{Versions: versions, Logf: logf})
	if err != nil {
		return nil, err
	}
	lab, err := nodes.Up(ctx, nodes.Config{Name: name, Nodes: names, Bundle: bundle, Storage: nodes.Memory, Logf: logf})
	if err != nil {
		return nil, err
	}
	c := &Cluster{Lab: lab, Versions: versions, Logf: logf}
	for _, n := range lab.Nodes() {
		if err := n.CopyFile(ctx, binary, Binary); err != nil {
			return nil, errors.Join(err, lab.Down(ctx))
		}
	}
	return c, nil
}

// Down removes the lab.
func (c *Cluster) Down(ctx context.Context) error { return c.Lab.Down(ctx) }

// ControlPlane is the lab's first node, or the one that From named.
func (c *Cluster) ControlPlane() *nodes.Node {
	if c.front != "" {
		return c.Lab.Node(c.front)
	}
	return c.Lab.Nodes()[0]
}

// From is the same cluster asked through another of its control planes.
func (c *Cluster) From(n *nodes.Node) *Cluster {
	other := *c
	other.front = n.Name()
	return &other
}

// flannel asks for the pod network in clusteradm's own document.
const flannel = `---
apiVersion: clusteradm.io/v1alpha1
kind: Addons
podNetwork:
  kind: flannel
`

// WriteInitConfig puts the lab's configuration on a node. Both clusteradm and
// kubeadm read it; without is for kubeadm, which does not know the addons.
func (c *Cluster) WriteInitConfig(ctx context.Context, n *nodes.Node, path string, withFlannel bool, extra string) error {
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: n.Name(), Address: n.Address()}.InitConfig()
	if err != nil {
		return err
	}
	if extra != "" {
		text = strings.Replace(text, "clusterName: kubernetes\n", "clusterName: kubernetes\n"+extra, 1)
	}
	if withFlannel {
		text += flannel
	}
	return n.WriteFile(ctx, path, []byte(text), 0o600)
}

// WriteJoinConfig puts the configuration of a worker on a node.
func (c *Cluster) WriteJoinConfig(ctx context.Context, n *nodes.Node, path string) error {
	pin, err := c.Pin(ctx)
	if err != nil {
		return err
	}
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: n.Name(), Address: n.Address(),
		Endpoint: c.discovery(), CACertHashes: []string{pin}}.JoinConfig()
	if err != nil {
		return err
	}
	return n.WriteFile(ctx, path, []byte(text), 0o600)
}

// discovery is where a machine finds the cluster.
func (c *Cluster) discovery() string {
	if c.Endpoint != "" {
		return c.Endpoint
	}
	return c.ControlPlane().Address() + ":6443"
}

// Pin is the hash of the cluster's CA, told by openssl.
func (c *Cluster) Pin(ctx context.Context) (string, error) {
	if c.pin != "" {
		return c.pin, nil
	}
	out, err := c.ControlPlane().Output(ctx, "sh", "-c",
		"openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum")
	if err != nil {
		return "", err
	}
	return "sha256:" + strings.Fields(out)[0], nil
}

// Must runs a program on a node and fails with all that it printed.
func Must(ctx context.Context, n *nodes.Node, argv ...string) (string, error) {
	r, err := n.Run(ctx, nil, argv...)
	if err != nil {
		return "", err
	}
	if r.Exit != 0 {
		return "", fmt.Errorf("run %s on %s: exit %d\n%s%s", strings.Join(argv, " "), n.Name(), r.Exit, r.Stdout, r.Stderr)
	}
	return r.Stdout, nil
}

// Init makes the first node a control plane with flannel.
func (c *Cluster) Init(ctx context.Context, flags ...string) (string, error) {
	n := c.ControlPlane()
	if err := c.WriteInitConfig(ctx, n, "/root/init.yaml", true, ""); err != nil {
		return "", err
	}
	return Must(ctx, n, append([]string{Binary, "init", "--config", "/root/init.yaml"}, flags...)...)
}

// Join makes a node a worker.
func (c *Cluster) Join(ctx context.Context, n *nodes.Node, flags ...string) (string, error) {
	if err := c.WriteJoinConfig(ctx, n, "/root/join.yaml"); err != nil {
		return "", err
	}
	return Must(ctx, n, append([]string{Binary, "join", "--config", "/root/join.yaml"}, flags...)...)
}

// Kubectl runs kubectl on the control plane.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	n := c.ControlPlane()
	argv := []string{"kubectl", "--kubeconfig", Kubeconfig}
	if c.Endpoint != "" {
		// This control plane is asked, whatever the endpoint leads to.
		argv = append(argv, "--server=https://"+n.Address()+":6443")
	}
	return Must(ctx, n, append(argv, args...)...)
}

// Apply applies a manifest with kubectl.
func (c *Cluster) Apply(ctx context.Context, manifest string) error {
	r, err := c.ControlPlane().Run(ctx, strings.NewReader(manifest), "kubectl", "--kubeconfig", Kubeconfig, "apply", "-f", "-")
	if err == nil && r.Exit != 0 {
		err = fmt.Errorf("kubectl apply: %s", r.Stderr)
	}
	return err
}

// Eventually asks until the answer is nil or the time is over.
func Eventually(ctx context.Context, within time.Duration, what string, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: not within %s: %w", what, within, err)
		case <-ticker.C:
		}
	}
}

// WaitReady waits until nodes are Ready and CoreDNS is available.
func (c *Cluster) WaitReady(ctx context.Context, within time.Duration, names ...string) error {
	return Eventually(ctx, within, "ready nodes and CoreDNS", func() error {
		for _, name := range names {
			out, err := c.Kubectl(ctx, "get", "node", name, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
			if err != nil {
				return err
			}
			if out != "True" {
				return fmt.Errorf("node %s is not Ready: %q", name, out)
			}
		}
		out, err := c.Kubectl(ctx, "-n", "kube-system", "get", "deployment", "coredns", "-o", "jsonpath={.status.availableReplicas}/{.spec.replicas}")
		if err != nil {
			return err
		}
		if available, wanted, _ := strings.Cut(out, "/"); available != wanted {
			return fmt.Errorf("CoreDNS has %q of its replicas", out)
		}
		return nil
	})
}
