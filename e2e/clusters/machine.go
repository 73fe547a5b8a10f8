package clusters

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// machine prints what a node is, apart from any cluster: a line a process
// name, mount point, network interface, firewall rule, and path with mode,
// owner and digest. The container runtime's own directories are left out: its
// images stay for the next cluster, its pods are seen in mounts and processes.
const machine = `
ps -e -o comm= | grep -vxE 'ps|sh|sort|uniq|grep|sed|find|sha256sum|awk|xargs|iptables.*|ip6tables.*' | sort -u | sed 's/^/process /'
awk '{print "mount " $5}' /proc/self/mountinfo | sort
ip -o link | sed -E 's/^[0-9]+: ([^:@]+).*/link \1/' | sort
for p in iptables-legacy iptables-nft ip6tables-legacy ip6tables-nft; do
	$p-save 2>/dev/null | awk -v p=$p '/^\*/ {t=$0} /^-A/ {print "rule " p " " t " " $0} /^:/ && $2 == "-" {print "chain " p " " t " " $1}'
done
nft list tables | sed 's/^/nft /'
cd /
find etc var/lib run opt usr/libexec -path var/lib/containerd -prune -o -path run/containerd -prune -o -type f -size -1024k -print0 |
	xargs -0 sha256sum | awk '{print "content /" $2 " " $1}'
find etc var/lib run opt usr/libexec -path 'var/lib/containerd/*' -prune -o -path 'run/containerd/*' -prune -o -printf 'path /%p %M %U:%G %l\n'
`

// Machine is what a node is, in lines that are equal for equal machines.
func Machine(ctx context.Context, n *nodes.Node) ([]string, error) {
	out, err := Must(ctx, n, "sh", "-c", machine)
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(out) {
		all = append(all, strings.TrimSpace(line))
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Allowed is a difference between two machines that means nothing, and why.
type Allowed struct {
	Line   *regexp.Regexp
	Reason string
}

// Leftovers are the lines that only one of the machines has, but for what is
// allowed.
func Leftovers(before, after []string, allowed []Allowed) []string {
	var found []string
	add := func(sign string, lines, others []string) {
		for _, line := range lines {
			ok := slices.ContainsFunc(allowed, func(a Allowed) bool { return a.Line.MatchString(line) })
			if _, there := slices.BinarySearch(others, line); !there && !ok {
				found = append(found, fmt.Sprintf("%s%s", sign, line))
			}
		}
	}
	add("-", before, after)
	add("+", after, before)
	return found
}
