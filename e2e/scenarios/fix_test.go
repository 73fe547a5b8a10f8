//go:build e2e

package scenarios

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Swap is one for the whole machine that the lab is on, so its programs stand
// in for it here: they do to the file over /proc/swaps what the real ones do.
const swapPrograms = `truncate -s 1M /swap.img && chmod 600 /swap.img && mkswap /swap.img >/dev/null || exit 1
printf 'Filename Type Size Used Priority\n/swap.img file 4194300 0 -2\n' > /run/swaps
mount --bind /run/swaps /proc/swaps
printf '#!/bin/sh\necho "Filename Type Size Used Priority" > /run/swaps\n' > /usr/local/sbin/swapoff
printf '#!/bin/sh\nprintf "Filename Type Size Used Priority\\n/swap.img file 4194300 0 -2\\n" > /run/swaps\n' > /usr/local/sbin/swapon
chmod 755 /usr/local/sbin/swapoff /usr/local/sbin/swapon
printf '/swap.img none swap sw 0 0\nproc /proc proc defaults 0 0\n' > /etc/fstab
sysctl -qw net.ipv4.ip_forward=0 net.bridge.bridge-nf-call-iptables=0`

// fixState is what --fix changes, as the machine has it.
const fixState = `cat /etc/fstab /proc/swaps /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/*
find /etc/fstab /etc/modules-load.d /etc/sysctl.d /etc/systemd/system -printf '%p %M %U:%G %l\n' | sort`

func fixAndBack(t *testing.T, n *nodes.Node) {
	ctx := t.Context()
	sh := func(script string) string { t.Helper(); return do(t)(clusters.Must(ctx, n, "sh", "-c", script)) }
	sh(swapPrograms)
	before := sh(fixState)
	if found, exit := check(t, n, ""); exit != 4 || len(found.with("Swap")) != 1 || len(found.with("FileContent--proc-sys-net-ipv4-ip_forward")) != 1 {
		t.Errorf("before: exit %d, %+v", exit, found.Findings)
	}
	dry := do(t)(clusters.Must(ctx, n, clusters.Binary, "preflight", "init", "--config", initFile, "--fix", "--dry-run"))
	if !strings.Contains(dry, "net.ipv4.ip_forward = 1") || !strings.Contains(dry, "switch off swap /swap.img") || sh(fixState) != before {
		t.Errorf("the dry run said\n%s and left\n%s", dry, sh(fixState))
	}

	found, exit := check(t, n, "", "--fix")
	if exit != 0 || len(found.Fixed) < 4 || len(found.with("Swap"))+len(found.with("FileContent--proc-sys-net-ipv4-ip_forward")) > 0 {
		t.Errorf("--fix: exit %d, fixed %q, left %+v", exit, found.Fixed, found.Findings)
	}
	fixed := sh(fixState)
	for _, want := range []string{"#clusteradm-fix# /swap.img none swap sw 0 0", "99-clusteradm.conf"} {
		if !strings.Contains(fixed, want) {
			t.Errorf("fixed, the machine has no %s:\n%s", want, fixed)
		}
	}
	if record := sh("stat -c %a " + cluster.FixesFile + "; cat " + cluster.FixesFile); !strings.HasPrefix(record, "600\n") || !strings.Contains(record, `"net.ipv4.ip_forward"`) {
		t.Errorf("the record is %s", record)
	}
	// Over a boot: what systemd does then with the file, done now.
	sh("sysctl -qw net.ipv4.ip_forward=0 && sysctl -q -p " + cluster.SysctlFile)
	if got := sh("cat /proc/sys/net/ipv4/ip_forward"); got != "1\n" {
		t.Errorf("after a boot forwarding would be %s", got)
	}

	sh(clusters.Binary + " reset --force")
	if after := sh(fixState); after != before {
		t.Errorf("taken back, the machine is\n%s and was\n%s", after, before)
	}
	sh("test ! -e " + cluster.FixesFile + " && umount /proc/swaps && rm -f /usr/local/sbin/swapoff /usr/local/sbin/swapon /swap.img && : > /etc/fstab")
}
