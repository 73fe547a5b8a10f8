package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/token"
)

func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	commands := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		commands++
		first := []rune(cmd.Short + " ")[0]
		if !unicode.IsUpper(first) || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short help %q does not begin with a capital or ends with a period", cmd.CommandPath(), cmd.Short)
		}
		switch {
		case cmd.IsAdditionalHelpTopicCommand():
			if cmd.Long == "" {
				t.Errorf("%s: a topic without text", cmd.CommandPath())
			}
		case !strings.Contains(cmd.Example, "clusteradm "):
			t.Errorf("%s: no example", cmd.CommandPath())
		case !strings.HasPrefix(cmd.Example, "  "):
			t.Errorf("%s: the example is not indented", cmd.CommandPath())
		case !cmd.Runnable():
			t.Errorf("%s: does nothing", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	root := cli.New(&session.Session{})
	walk(root)
	if commands < 50 {
		t.Errorf("only %d commands were looked at", commands)
	}
}

// Help is read on terminals of 80 columns.
func TestHelpFits(t *testing.T) {
	t.Parallel()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		var text bytes.Buffer
		cmd.SetOut(&text)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text.String()) {
			// cobra's own text of how to install completion is as it is.
			if line = strings.TrimRight(line, "\n"); utf8.RuneCountInString(line) > 80 && cmd.Parent().Name() != "completion" {
				t.Errorf("%s: %d columns: %q", cmd.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(cli.New(&session.Session{}))
}

func TestInit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	start := r.snapshot()
	dry := r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0, "create", "certs/ca", "etcd.yaml", "nothing was changed")
	if diff := hosttest.Diff(start, r.snapshot()); diff != "" || r.journal() != "" {
		t.Errorf("a dry run changed the machine:\n%s\n%s", diff, r.journal())
	}
	for _, o := range objects(t, r.run("init", "--config", "c.yaml", "--dry-run", "-o", "json").is(t, 0).out) {
		if changes, ok := o["changes"].([]any); o["kind"] != "plan" || !ok || len(changes) < 30 {
			t.Errorf("the plan as JSON is %v", o)
		}
	}
	if _, err := os.Stat(filepath.Join(r.state, "lock")); err == nil {
		t.Error("a dry run took the lock")
	}

	first := r.run("init", "--config", "c.yaml").is(t, 0, "The control plane runs", "export KUBECONFIG=/etc/kubernetes/admin.conf",
		"clusteradm join 192.0.2.10:6443 --token "+canary+" --discovery-token-ca-cert-hash sha256:", "init: done")
	made := r.snapshot()
	r.run("init", "--config", "c.yaml").is(t, 0, "init: nothing to change", canary)
	if diff := hosttest.Diff(made, r.snapshot()); diff != "" {
		t.Errorf("a second init changed something:\n%s", diff)
	}
	r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0, "init: nothing to change")
	r.run("init", "--config", "c.yaml", "--skip-phases", "show-join-command").is(t, 0, "The control plane runs")

	t.Run("one phase", func(t *testing.T) {
		if got := r.run("init", "phase", "show-join-command", "--config", "c.yaml").is(t, 0); !strings.HasPrefix(got.out, "clusteradm join 192.0.2.10:6443 --token ") {
			t.Errorf("printed %q", got.out)
		}
		r.run("init", "phase", "show-join-command", "--config", "c.yaml", "--skip-token-print").is(t, 0)
		r.run("init", "phase", "preflight", "--config", "c.yaml").is(t, 0)
		r.run("init", "phase", "wait-control-plane", "--config", "c.yaml").is(t, 0, "nothing to change")
	})
	t.Run("secrets", func(t *testing.T) {
		again := r.run("init", "--config", "c.yaml", "-o", "json").is(t, 0)
		seen := 0
		for _, o := range objects(t, again.out) {
			line, _ := json.Marshal(o)
			if !strings.Contains(string(line), canarySecret) {
				continue
			}
			if seen++; o["kind"] != "result" {
				t.Errorf("a token in %s", line)
			}
		}
		if n := strings.Count(first.out, canarySecret); n != 1 || seen != 1 {
			t.Errorf("the join command was printed %d times as text, %d as JSON", n, seen)
		}
		hidden := first.stderr + dry.out + dry.stderr + again.stderr + r.journal()
		hidden += r.run("init", "--config", "c.yaml", "--skip-token-print").out + r.run("init", "--config", "c.yaml", "--skip-token-print", "-o", "json").out
		if strings.Contains(hidden, canarySecret) {
			t.Error("a token is told elsewhere than in the join command")
		}
		if strings.Contains(hidden, "PRIVATE KEY") {
			t.Error("a key is told")
		}
	})
	t.Run("the way back ends", func(t *testing.T) {
		r.run("rollback").is(t, 2, "it completed, so it has to be named", "hint: clusteradm rollback --dry-run")
		plan := r.run("rollback", "--dry-run").is(t, 0, "nothing was changed").out
		if !strings.HasPrefix(plan, "ends at  ") || strings.Contains(plan, "revert") {
			t.Errorf("the dry run printed:\n%s", plan)
		}
		before := r.snapshot()
		r.run("rollback", "--run", latestRun(plan)).is(t, 1, "error: roll back ", "clusteradm reset")
		if diff := hosttest.Diff(before, r.snapshot()); diff != "" {
			t.Errorf("a cluster that runs was changed:\n%s", diff)
		}
	})
}

// An address that swallows packets is looked for once, not once an object.
func TestADryRunDoesNotWaitLong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.swallow = "192.0.2.10:6443"
	started := time.Now()
	r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0, "nothing was changed")
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestTheNearestCommandIsSuggested(t *testing.T) {
	t.Parallel()
	newRig(t).run("tokn").is(t, 2, "hint: clusteradm token\n")
}

func TestWrongArgumentsSayWhatIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("etcd", "member", "remove").is(t, 2, "clusteradm etcd member remove needs NAME|ID\nhint: clusteradm etcd member remove --help\n")
	r.run("etcd", "join").is(t, 2, "clusteradm etcd join needs ENDPOINT")
	r.run("endpoint", "set", "a", "b").is(t, 2, "clusteradm endpoint set takes [HOST[:PORT]], and 2 arguments were given")
	r.run("endpoint", "show", "x").is(t, 2, "clusteradm endpoint show takes no arguments\nhint: clusteradm endpoint show --help")
	if got := r.run("join", "h", "abcdef.0123456789abcdef"); strings.Contains(got.out+got.stderr, "0123456789abcdef") {
		t.Errorf("a token that was given as an argument is told: %s", got.stderr)
	}
}

// Whoever makes a half-reset machine a control plane again counts on its etcd.
func TestInitTakesBackThatEtcdWasGivenUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("init", "--config", "c.yaml").is(t, 0)
	mark := "/var/lib/etcd/" + cluster.EtcdGivenUp
	r.machine.Put(mark, "", 0o600)
	r.run("init", "--config", "c.yaml").is(t, 0, mark)
	if _, there := r.machine.Content(mark); there {
		t.Error("a reset would not ask etcd")
	}
}

// Init makes control planes and mends them; what one is configured to be it
// does not change behind the back of whoever configured it.
func TestInitDoesNotReconfigure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("init", "--config", "c.yaml").is(t, 0)
	before := r.snapshot()
	r.files["other.yaml"] = strings.Replace(initConfig, "networking:", "apiServer: {extraArgs: [{name: v, value: \"4\"}]}\nnetworking:", 1)
	r.run("init", "--config", "other.yaml").is(t, 3, "update   control-plane/apiserver/kube-apiserver@cp1", "nothing was changed",
		"hint: clusteradm init phase control-plane all --config FILE")
	if after := r.snapshot(); after != before {
		t.Error("the machine or the cluster was changed")
	}
	if err := r.store.Delete(t.Context(), token.Ref(canary[:6])); err != nil { // as the cluster does when it has expired
		t.Fatal(err)
	}
	before = r.snapshot()
	r.run("init", "--config", "other.yaml").is(t, 3, "nothing was changed")
	if after := r.snapshot(); after != before {
		t.Error("the machine or the cluster was changed")
	}
	r.run("init", "phase", "control-plane", "apiserver", "--config", "other.yaml").is(t, 0)
	if pod, _ := r.machine.Content("/etc/kubernetes/manifests/kube-apiserver.yaml"); !strings.Contains(pod, "--v=4") {
		t.Error("the phase did not change the manifest either")
	}
}

// Errors repeat what they are about; a token they must not.
func TestNoSecretInErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const half = "s3cr3ts3cr3ts3cr"
	r.files["bad.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens: [{token: \"ABCDEF." + half + "\"}]\n"
	r.files["join.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery: {bootstrapToken: {token: abcdef." + half + ", apiServerEndpoint: \"192.0.2.99:6443\", unsafeSkipCAVerification: true}}\ntimeouts: {discovery: 300ms}\n"
	for _, args := range [][]string{
		{"init", "--config", "bad.yaml"},
		{"init", "--token", "x." + half},
		{"join", "192.0.2.99:6443", "--token", "x." + half},
		{"join", "--config", "join.yaml"},
		{"join", "192.0.2.99:6443", "--token", "abcdef." + half}, // without a pin
	} {
		for _, format := range []string{"text", "json"} {
			got := r.run(append(args, "-o", format)...)
			if got.code == 0 || strings.Contains(got.out+got.stderr, half) {
				t.Errorf("%v, %s: code %d\n%s%s", args[:2], format, got.code, got.out, got.stderr)
			}
			if format == "json" {
				objects(t, got.out)
			}
		}
	}
}

func TestPreflightTellsAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.machine.Put("/proc/sys/net/ipv4/ip_forward", "0\n", 0o444)
	r.machine.Put("/proc/swaps", "Filename\n/swap.img file 1 0 -2\n", 0o444)
	r.machine.Put("/var/lib/kubelet/pods/a", "", 0o600)
	r.machine.Listen(hosttest.Listener{Addr: "*", Port: 6443, Process: "nginx", PID: 12})
	before := r.snapshot()

	got := r.run("init", "--config", "c.yaml").is(t, 4,
		"[WARNING Swap] swap is on: /swap.img", "  hint: swapoff -a   # or: clusteradm preflight --fix\n",
		"[WARNING Leftovers] an earlier cluster left a kubelet's pods in /var/lib/kubelet/pods", "  hint: clusteradm reset\n",
		"[ERROR Port-6443] port 6443 is taken by nginx (pid 12)", "hint: ss -ltnp 'sport = :6443'   # Port-6443\n",
		"[ERROR FileContent--proc-sys-net-ipv4-ip_forward]", "hint: sysctl -w net.ipv4.ip_forward=1   # or: clusteradm preflight --fix   # FileContent",
		"hint: --ignore-preflight-errors=FileContent--proc-sys-net-ipv4-ip_forward,Port-6443   # to go on all the same\n")
	if strings.Index(got.stderr, "error: ") > strings.Index(got.stderr, "\nhint: ") || got.out != "" {
		t.Errorf("hints come before the error:\n%s", got.stderr)
	}
	for _, args := range [][]string{{"init", "--dry-run"}, {"init", "phase", "preflight"}} {
		r.run(append(args, "--config", "c.yaml")...).is(t, 4, "[ERROR Port-6443]")
	}
	list := objects(t, r.run("init", "--config", "c.yaml", "-o", "json").is(t, 4).out)
	last := list[len(list)-1]
	if findings, _ := last["findings"].([]any); list[0]["kind"] != "warning" || list[0]["step"] != "Swap" || last["code"] != 4.0 || len(findings) != 2 {
		t.Errorf("as JSON: %v", list)
	}
	if diff := hosttest.Diff(before, r.snapshot()); diff != "" || r.journal() != "" {
		t.Errorf("preflight changed the machine:\n%s", diff)
	}
	r.run("init", "--config", "c.yaml", "--dry-run", "--ignore-preflight-errors=Port-6443,numcpus").is(t, 4,
		"[WARNING Port-6443]", "[WARNING IgnorePreflightErrors] there is no check \"numcpus\" to ignore; the nearest name is NumCPU", "fails 1 of the checks", "[ERROR FileContent")
	r.run("init", "--config", "c.yaml", "--dry-run", "--ignore-preflight-errors=all").is(t, 0, "[WARNING Port-6443]", "nothing was changed")
	r.run("init", "--config", "c.yaml", "--dry-run", "--skip-phases=preflight").is(t, 0)

	r.machine.Put("/proc/self/status", "Uid:\t1000\t1000\t1000\t1000\n", 0o444)
	if got := r.run("init", "--config", "c.yaml").is(t, 4, "hint: sudo clusteradm …   # IsPrivilegedUser\n"); strings.Contains(got.stderr, "Swap") {
		t.Errorf("without root it says more than that:\n%s", got.stderr)
	}
}

// latestRun is the name that a dry run of rollback prints.
func latestRun(out string) string {
	_, rest, _ := strings.Cut(out, "\nrun ")
	if strings.HasPrefix(out, "run ") {
		rest = out[len("run "):]
	}
	id, _, _ := strings.Cut(rest, " ")
	return id
}

func TestRollback(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("rollback").is(t, 1, "there is no run on this machine")
	start := r.snapshot()
	r.run("init", "phase", "certs", "all", "--config", "c.yaml").is(t, 0, "init phase certs: done")
	if r.snapshot() == start {
		t.Fatal("the phase did nothing")
	}
	made := r.snapshot()
	id := latestRun(r.run("rollback", "--dry-run").is(t, 0, "revert   certs/ca/ca.key@", "/etc/kubernetes/pki/ca.key").out)
	r.run("rollback").is(t, 2, "it completed, so it has to be named")
	r.run("rollback", "--run", "another").is(t, 2, "only the last run can be taken back")
	if r.snapshot() != made {
		t.Error("a rollback that was refused changed something")
	}
	list := objects(t, r.run("rollback", "--run", id, "-o", "json").is(t, 0).out)
	if last := list[len(list)-1]; last["kind"] != "result" || last["changed"].(float64) < 20 || list[0]["verb"] != "revert" {
		t.Errorf("as JSON: %v", last)
	}
	if diff := hosttest.Diff(start, r.snapshot()); diff != "" {
		t.Errorf("rolled back, it differs from the start:\n%s", diff)
	}
	r.run("rollback").is(t, 1, "it was taken back already")
}

// What others changed since is theirs.
func TestRollbackKeepsWhatOthersChanged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("init", "phase", "certs", "all", "--config", "c.yaml").is(t, 0)
	id := latestRun(r.run("rollback", "--dry-run").out)
	r.machine.Put("/etc/kubernetes/pki/sa.pub", "somebody else's", 0o600)
	r.run("rollback", "--run", id).is(t, 1, "/etc/kubernetes/pki/sa.pub: it was changed since")
	if got, _ := r.machine.Content("/etc/kubernetes/pki/sa.pub"); got != "somebody else's" {
		t.Errorf("sa.pub holds %q", got)
	}
	if _, ok := r.machine.Content("/etc/kubernetes/pki/ca.key"); !ok {
		t.Error("what came before it was taken back")
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("init", "phase", "certs", "ca", "--config", "c.yaml").is(t, 0)
	if _, ok := r.machine.Content("/etc/kubernetes/pki/ca.crt"); !ok {
		t.Error("there is no ca.crt")
	}
	if _, ok := r.machine.Content("/etc/kubernetes/pki/apiserver.crt"); ok {
		t.Error("there is more than was asked for")
	}
	r.run("init", "phase", "certs", "etcd-server", "--config", "c.yaml").is(t, 1, "etcd/ca.crt", "hint: clusteradm init phase certs etcd-ca")
	// A configuration for the whole of init serves a phase of it too.
	r.files["skip.yaml"] = strings.Replace(initConfig, "localAPIEndpoint", "skipPhases: [addon/kube-proxy]\nlocalAPIEndpoint", 1)
	r.run("init", "phase", "certs", "all", "--config", "skip.yaml").is(t, 0)
	r.run("init", "--dry-run", "--config", "skip.yaml").is(t, 0)
	r.run("init", "phase", "certs", "all", "--skip-phases", "bogus").is(t, 2, `skip phase "bogus": init has no such phase`)
	r.run("init", "--skip-phases", "bogus").is(t, 2, `skip phase "bogus"`, "hint: clusteradm init phase --help")
	join := []string{"192.0.2.99:6443", "--token", canary, "--discovery-token-unsafe-skip-ca-verification", "--skip-phases"}
	r.run(append(append([]string{"join"}, join...), "bogus")...).is(t, 2, `skip phase "bogus": join has no such phase`, "hint: clusteradm join phase --help")
	r.run(append(append([]string{"join", "phase", "kubelet-start"}, join...), "certs")...).is(t, 2, `skip phase "certs": join has no such phase`)
}

func TestUnusedDocumentsAreTold(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.files["more.yaml"] = initConfig + "---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ResetConfiguration\n"
	r.run("init", "--dry-run", "--config", "more.yaml").is(t, 0, "[WARNING] ResetConfiguration is given and has no meaning here")
	list := objects(t, r.run("init", "--dry-run", "--config", "more.yaml", "-o", "json").is(t, 0).out)
	if list[0]["kind"] != "warning" {
		t.Errorf("as JSON: %v", list[0])
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	release, err := state.Lock(filepath.Join(r.state, "lock"), "init, process 71, since 06:00")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "--config", "c.yaml"}, {"init", "phase", "certs", "all", "--config", "c.yaml"}, {"rollback"}} {
		r.run(args...).is(t, 5, "another clusteradm is working on this machine", "init, process 71, since 06:00")
	}
	r.run("init", "--config", "c.yaml", "--dry-run").is(t, 0)
	release()
	r.run("init", "phase", "certs", "all", "--config", "c.yaml").is(t, 0)
}

func TestStoppedPartWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.kubelet(errors.New("no cgroups"))
	r.run("init", "--config", "c.yaml").is(t, 6, "error: kubelet-start/kubelet@cp1: ", "no cgroups", "stopped part-way: ",
		"hint: run the same command again to go on\n", "hint: clusteradm rollback   # to take back what was done\n")
	list := objects(t, r.run("init", "--config", "c.yaml", "-o", "json").out)
	if last := list[len(list)-1]; last["kind"] != "error" || last["code"] == 0.0 {
		t.Errorf("as JSON: %v", last)
	}
	r.kubelet(nil)
	r.run("init", "--config", "c.yaml").is(t, 0, "The control plane runs")
}

// On a terminal, too, it is seen what a join waits for.
func TestJoinNarrates(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.terminal = true
	r.files["join.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\ndiscovery: {bootstrapToken: {token: " + canary +
		", apiServerEndpoint: \"192.0.2.10:6443\", unsafeSkipCAVerification: true}}\ntimeouts: {discovery: 500ms}\n"
	got := r.run("join", "--config", "join.yaml").is(t, 1, "discovery: waiting for ", "error: discover cluster at 192.0.2.10:6443")
	if before, _, _ := strings.Cut(got.stderr, "error: "); !strings.HasSuffix(before, "\x1b[K") {
		t.Errorf("a half line is left before the error: %q", before)
	}
}

// Interrupted while it waits for an API server that does not come.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run("init", "phase", "certs", "all", "--config", "c.yaml").is(t, 0)
	r.run("init", "phase", "kubeconfig", "all", "--config", "c.yaml").is(t, 0)
	interrupted, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	dial, asked := r.dial, atomic.Int32{}
	r.dial = func(addr string) (net.Conn, error) {
		if asked.Add(1) == 5 {
			interrupt()
		}
		return dial(addr)
	}
	r.with(interrupted, "init", "phase", "wait-control-plane", "--config", "c.yaml").is(t, 130, "interrupted\nerror: ", "waiting for the API server to be healthy")
}
