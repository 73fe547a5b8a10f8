package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestPreflightByItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	before := r.snapshot()
	r.run("preflight", "--config", "c.yaml").is(t, 0, "checks passed, 0 warnings, 0 errors\n")
	list := objects(t, r.run("preflight", "init", "--config", "c.yaml", "-o", "json").is(t, 0).out)
	passed, _ := list[0]["passed"].([]any)
	if findings, ok := list[0]["findings"].([]any); len(list) != 1 || list[0]["kind"] != "preflight" || list[0]["list"] != "init" || !ok || len(findings) != 0 ||
		!slices.Contains(passed, any("Port-6443")) || !slices.Contains(passed, any("CRI")) {
		t.Errorf("as JSON: %v", list)
	}

	r.stdin = canary + "\n"
	r.run("preflight", "init", "--token", "-").is(t, 0, "0 errors")

	r.machine.Put("/etc/machine-id", "uninitialized\n", 0o444)
	r.containers.Down()
	got := r.run("preflight", "--config", "c.yaml").is(t, 4, "[ERROR CRI] ", "[WARNING MachineID] ", "  hint: rm -f /etc/machine-id", "1 warning, 1 error\n",
		"error: preflight: the machine fails 1 of the checks\n")
	if strings.Count(got.out+got.stderr, "CRI]") != 1 {
		t.Errorf("a finding is not told once:\n%s%s", got.out, got.stderr)
	}
	list = objects(t, r.run("preflight", "--config", "c.yaml", "-o", "json").is(t, 4).out)
	findings, _ := list[0]["findings"].([]any)
	if len(list) != 2 || len(findings) != 2 || list[1]["kind"] != "error" || list[1]["code"] != 4.0 {
		t.Errorf("as JSON: %v", list)
	}
	r.run("preflight", "--config", "c.yaml", "--ignore-preflight-errors=cri").is(t, 0, "[WARNING CRI] ", "2 warnings, 0 errors")
	r.machine.Put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n", 0o444)
	if diff := hosttest.Diff(before, r.snapshot()); diff != "" {
		t.Errorf("it changed the machine:\n%s", diff)
	}
	r.run("preflight", "nonsense").is(t, 2)
	r.run("preflight", "join", "--config", "none.yaml").is(t, 2)
}

func TestFix(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.machine.Put("/proc/sys/net/ipv4/ip_forward", "0\n", 0o644)
	r.machine.Put("/proc/swaps", "Filename Type Size Used Priority\n/swap.img file 1 0 -2\n", 0o444)
	r.machine.Put("/etc/fstab", "/swap.img none swap sw 0 0\n", 0o644)
	start := r.snapshot()

	r.run("preflight", "--config", "c.yaml").is(t, 4, "[ERROR FileContent--proc-sys-net-ipv4-ip_forward]", "[WARNING Swap]")
	r.run("preflight", "--config", "c.yaml", "--fix", "--dry-run").is(t, 0, "net.ipv4.ip_forward = 1", "switch off swap /swap.img", "nothing was changed",
		"[WARNING FileContent--proc-sys-net-ipv4-ip_forward]", "2 warnings, 0 errors")
	r.run("init", "--config", "c.yaml", "--fix", "--dry-run").is(t, 0, "fix: ", "init: ")
	if diff := hosttest.Diff(start, r.snapshot()); diff != "" || r.journal() != "" {
		t.Fatalf("a dry run changed the machine:\n%s", diff)
	}

	list := objects(t, r.run("preflight", "--config", "c.yaml", "--fix", "-o", "json").is(t, 0).out)
	last := list[len(list)-1]
	if fixed, _ := last["fixed"].([]any); last["kind"] != "preflight" || !slices.Contains(fixed, any("net.ipv4.ip_forward = 1")) || !slices.Contains(fixed, any("switch off swap /swap.img")) {
		t.Errorf("as JSON: %v", list)
	}
	if record, ok := r.machine.Content(cluster.FixesFile); !ok || !strings.Contains(record, `"before": "0"`) {
		t.Errorf("the record is %s", record)
	}
	after := r.snapshot()
	r.run("preflight", "--config", "c.yaml", "--fix").is(t, 0, "0 warnings, 0 errors")
	if diff := hosttest.Diff(after, r.snapshot()); diff != "" {
		t.Errorf("a second time it changed:\n%s", diff)
	}
}

// An init with --fix goes on to the cluster in one run.
func TestInitWithFix(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.machine.Put("/proc/sys/net/ipv4/ip_forward", "0\n", 0o644)
	r.run("init", "--config", "c.yaml").is(t, 4)
	r.run("init", "--config", "c.yaml", "--fix").is(t, 0, "clusteradm join")
	if value, _ := r.machine.Content("/proc/sys/net/ipv4/ip_forward"); value != "1\n" {
		t.Errorf("forwarding is %q", value)
	}
}

func TestTheTopicListsEveryCheck(t *testing.T) {
	t.Parallel()
	got := newRig(t).run("help", "preflight-checks").is(t, 0)
	text := strings.Join(strings.Fields(got.out), " ")
	for _, d := range preflight.Catalogue() {
		if !strings.Contains(text, d.Name) || !strings.Contains(text, d.Finds) {
			t.Errorf("%s is not in the topic", d.Name)
		}
	}
}
