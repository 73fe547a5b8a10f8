//go:build e2e

package scenarios

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// A kill is due after a time, or when a phase begins.
type kill struct {
	after time.Duration
	phase string
}

func (k kill) String() string {
	if k.phase != "" {
		return "at the start of phase " + k.phase
	}
	return "after " + k.after.Round(time.Millisecond).String()
}

// seed is printed with every run and can be given to repeat one.
func seed(t *testing.T) uint64 {
	if text := os.Getenv("SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		must(t, err)
		return n
	}
	return uint64(time.Now().UnixNano())
}

// spread are moments over a run, one in each equal part of it.
func spread(n int, whole time.Duration, r *rand.Rand) []kill {
	var moments []kill
	for i := range n {
		part := float64(whole) / float64(n)
		moments = append(moments, kill{after: time.Duration(part * (float64(i) + r.Float64()))})
	}
	return moments
}

// killed starts a command and kills it. It reports the last phase that was
// under way and whether the kernel says that our SIGKILL ended it.
func killed(ctx context.Context, n *nodes.Node, k kill, argv ...string) (phase string, alive bool, err error) {
	cmd := n.Command(ctx, append(argv, "-o", "json")...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", false, err
	}
	if err := cmd.Start(); err != nil {
		return "", false, err
	}
	if k.phase == "" {
		timer := time.AfterFunc(k.after, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Kind, Phase string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Kind != "phase-started" {
			continue
		}
		phase = e.Phase
		if k.phase != "" && e.Phase == k.phase {
			if err := cmd.Process.Kill(); err != nil {
				return phase, false, err
			}
		}
	}
	_, _ = io.Copy(io.Discard, stdout)
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return phase, false, err
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return phase, status.Signaled() && status.Signal() == syscall.SIGKILL, nil
}

// init killed anywhere and run again gives the same cluster every time.
func TestInitKilled(t *testing.T) {
	budget(t, time.Duration(kills+14)*90*time.Second)
	ctx, p := t.Context(), newProof(t, "init-killed")
	if p == nil {
		return
	}
	s := seed(t)
	r := rand.New(rand.NewPCG(s, 1))
	p.add("seed %d (SEED=%d repeats it)", s, s)

	want, whole, phases := uninterrupted(t)
	p.add("uninterrupted: %s, phases %s", whole.Round(10*time.Millisecond), strings.Join(phases, " "))
	moments := spread(kills, whole, r)
	if soak {
		for _, phase := range phases {
			moments = append(moments, kill{phase: phase})
		}
	}
	hit := map[string]bool{}
	for _, k := range moments {
		t.Run(strings.ReplaceAll(k.String(), " ", "-"), func(t *testing.T) {
			// A run that was faster than the measured one is no kill: earlier, then.
			var c *clusters.Cluster
			var phase string
			for alive := false; !alive; {
				if c != nil {
					must(t, c.Down(ctx))
				}
				c = up(t, "kill", "cp1")
				must(t, c.WriteInitConfig(ctx, c.ControlPlane(), "/root/init.yaml", true, ""))
				var err error
				phase, alive, err = killed(ctx, c.ControlPlane(), k, clusters.Binary, "init", "--config", "/root/init.yaml")
				must(t, err)
				if !alive {
					k.after = k.after * 9 / 10
				}
			}
			cp := c.ControlPlane()
			hit[phase] = true
			hit[k.phase] = true // alive when it said that this phase begins, and killed on reading that
			ca := caDigest(ctx, cp)
			started := time.Now()
			do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml"))
			p.add("killed %s, alive until then, in phase %q; again: %s", k, phase, time.Since(started).Round(10*time.Millisecond))
			if now := caDigest(ctx, cp); ca != "" && now != ca {
				t.Errorf("the CA changed from %s to %s", ca, now)
			}
			same(t, c, want)
		})
	}
	if soak {
		for _, phase := range phases {
			if !hit[phase] {
				t.Errorf("no kill hit phase %s", phase)
			}
		}
	}
}

// uninterrupted is the reference: the snapshot, how long it took, its phases.
func uninterrupted(t *testing.T) (want []string, whole time.Duration, phases []string) {
	ctx := t.Context()
	c := up(t, "kill", "cp1")
	defer func() { must(t, c.Down(ctx)) }()
	cp := c.ControlPlane()
	must(t, c.WriteInitConfig(ctx, cp, "/root/init.yaml", true, ""))
	started := time.Now()
	out := do(t)(clusters.Must(ctx, cp, clusters.Binary, "init", "--config", "/root/init.yaml", "-o", "json"))
	whole = time.Since(started)
	must(t, settled(c))
	want, err := c.Snapshot(ctx)
	must(t, err)
	return want, whole, phasesOf(out)
}

// settled waits for what the cluster adds by itself after init: the root CA
// ConfigMaps, service accounts, the signature of cluster-info.
func settled(c *clusters.Cluster) error {
	ctx := context.Background()
	return clusters.Eventually(ctx, 2*time.Minute, "the cluster to settle", func() error {
		for _, ns := range []string{"default", "kube-system", "kube-public", "kube-node-lease", "kube-flannel"} {
			if _, err := c.Kubectl(ctx, "-n", ns, "get", "configmap/kube-root-ca.crt", "serviceaccount/default"); err != nil {
				return err
			}
		}
		out, err := c.Kubectl(ctx, "-n", "kube-public", "get", "configmap", "cluster-info", "-o", "jsonpath={.data}")
		if err == nil && !strings.Contains(out, "jws-kubeconfig-") {
			err = errors.New("cluster-info is not signed")
		}
		return err
	})
}

// same compares when the cluster has settled.
func same(t *testing.T, c *clusters.Cluster, want []string) {
	t.Helper()
	must(t, settled(c))
	err := clusters.Eventually(t.Context(), 30*time.Second, "the same cluster", func() error {
		got, err := c.Snapshot(t.Context())
		if err != nil {
			return err
		}
		if diff := clusters.Diff(want, got); diff != "" {
			return fmt.Errorf("it differs:\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func caDigest(ctx context.Context, n *nodes.Node) string {
	out, err := n.Output(ctx, "sh", "-c", "sha256sum /etc/kubernetes/pki/ca.key /etc/kubernetes/pki/ca.crt 2>/dev/null; true")
	if err != nil || strings.Count(out, "\n") < 2 {
		return ""
	}
	return out
}

// A join killed anywhere and run again gives a Ready node.
func TestJoinKilled(t *testing.T) {
	budget(t, time.Duration(kills+4)*time.Minute)
	ctx, p := t.Context(), newProof(t, "join-killed")
	if p == nil {
		return
	}
	s := seed(t)
	r := rand.New(rand.NewPCG(s, 2))
	p.add("seed %d", s)
	names := []string{"cp1", "w0"}
	for i := range kills {
		names = append(names, fmt.Sprintf("w%d", i+1))
	}
	c := up(t, "killjoin", names[:2+min(kills, 5)]...)
	do(t)(c.Init(ctx))
	must(t, settled(c))
	started := time.Now()
	do(t)(c.Join(ctx, c.Lab.Node("w0")))
	whole := time.Since(started)
	p.add("uninterrupted: %s", whole.Round(10*time.Millisecond))
	for i, k := range spread(min(kills, 5), whole*9/10, r) {
		n := c.Lab.Node(fmt.Sprintf("w%d", i+1))
		must(t, c.WriteJoinConfig(ctx, n, "/root/join.yaml"))
		phase, alive, err := killed(ctx, n, k, clusters.Binary, "join", "--config", "/root/join.yaml")
		must(t, err)
		do(t)(clusters.Must(ctx, n, clusters.Binary, "join", "--config", "/root/join.yaml"))
		p.add("killed %s in phase %q (alive: %t); again it joined", k, phase, alive)
		must(t, c.WaitReady(ctx, 2*time.Minute, n.Name()))
		if out, err := n.Output(ctx, "ls", "/etc/kubernetes"); err != nil || strings.Contains(out, "bootstrap-kubelet.conf") {
			t.Errorf("the bootstrap credentials are still there: %s %v", out, err)
		}
	}
}
