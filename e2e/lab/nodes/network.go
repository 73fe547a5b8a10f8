package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strings"
)

// A lab's network: one bridge on this machine, and per node a network
// namespace and a veth pair. The machine has the first address, so tests can
// reach the nodes; nothing is routed further.

func (s *state) bridge() string  { return "lb-" + s.Name }
func (s *state) gateway() string { return fmt.Sprintf("10.210.%d.1", s.Subnet) }
func (s *state) netns(node string) string {
	return "lab-" + s.Name + "-" + node
}

// port is the machine's end of a node's veth pair; names are at most 15 long.
func (s *state) port(node string) string {
	sum := sha256.Sum256([]byte(s.Name + "/" + node))
	return "lv" + hex.EncodeToString(sum[:])[:10]
}

// freeSubnet picks the lowest subnet that no lab and no interface has.
func freeSubnet() (int, error) {
	taken := map[int]bool{}
	names, err := List()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if s, err := loadState(name); err == nil && !s.stale() {
			taken[s.Subnet] = true
		}
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return 0, fmt.Errorf("choose subnet: %w", err)
	}
	for i := range 256 {
		if taken[i] {
			continue
		}
		_, subnet, _ := net.ParseCIDR(fmt.Sprintf("10.210.%d.0/24", i))
		free := true
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && (n.Contains(subnet.IP) || subnet.Contains(n.IP)) {
				free = false
			}
		}
		if free {
			return i, nil
		}
	}
	return 0, fmt.Errorf("choose subnet: all of 10.210.0.0/16 is taken")
}

func (s *state) makeBridge(ctx context.Context) error {
	b := s.bridge()
	for _, argv := range [][]string{
		{"ip", "link", "add", b, "type", "bridge", "stp_state", "0", "forward_delay", "0"},
		{"ip", "addr", "add", s.gateway() + "/24", "dev", b},
		{"ip", "link", "set", b, "up"},
	} {
		if err := run(ctx, argv...); err != nil {
			return fmt.Errorf("make bridge: %w", err)
		}
	}
	// Whatever the machine forwards otherwise, a node's packets end here.
	if err := os.WriteFile("/proc/sys/net/ipv4/conf/"+b+"/forwarding", []byte("0"), 0); err != nil {
		return fmt.Errorf("make bridge: %w", err)
	}
	return nil
}

// plug makes the node's network namespace and connects it. What an earlier
// boot left in it (pod interfaces, firewall rules) goes with the old one.
func (s *state) plug(ctx context.Context, n nodeState) error {
	s.unplug(ctx, n)
	ns, port := s.netns(n.Name), s.port(n.Name)
	for _, argv := range [][]string{
		{"ip", "netns", "add", ns},
		{"ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "address", n.MAC, "netns", ns},
		{"ip", "link", "set", port, "master", s.bridge(), "up"},
		{"ip", "-n", ns, "link", "set", "lo", "up"},
		{"ip", "-n", ns, "addr", "add", n.Address + "/24", "dev", "eth0"},
		{"ip", "-n", ns, "link", "set", "eth0", "up"},
		{"ip", "-n", ns, "route", "add", "default", "via", s.gateway()},
	} {
		if err := run(ctx, argv...); err != nil {
			return fmt.Errorf("connect %s: %w", n.Name, err)
		}
	}
	return nil
}

// unplug deletes what plug made; what is not there is no error.
func (s *state) unplug(ctx context.Context, n nodeState) {
	_ = run(ctx, "ip", "link", "del", s.port(n.Name))
	_ = run(ctx, "ip", "netns", "del", s.netns(n.Name))
}

const partitionTable = "clusteradm_lab_partition"

// Partition cuts the node off: from the peers, or from everything when none
// is named. The links stay up, as they do when a switch between fails.
func (n *Node) Partition(ctx context.Context, peers ...*Node) error {
	if len(peers) == 0 {
		if err := run(ctx, "bridge", "link", "set", "dev", n.lab.state.port(n.Name()), "state", "0"); err != nil {
			return fmt.Errorf("partition %s: %w", n.Name(), err)
		}
		return nil
	}
	for _, p := range peers {
		for _, side := range [][2]*Node{{n, p}, {p, n}} {
			if err := side[0].refuse(ctx, side[1]); err != nil {
				return fmt.Errorf("partition %s from %s: %w", n.Name(), p.Name(), err)
			}
		}
	}
	return nil
}

// refuse drops what comes from the peer by its hardware address, so that
// routed pod traffic is dropped with the rest.
func (n *Node) refuse(ctx context.Context, peer *Node) error {
	ns := n.lab.state.netns(n.Name())
	for _, rule := range []string{
		"add table inet " + partitionTable,
		"add chain inet " + partitionTable + " in { type filter hook prerouting priority -400 ; }",
		"add rule inet " + partitionTable + " in iifname eth0 ether saddr " + peer.state.MAC + " drop",
	} {
		if err := run(ctx, append([]string{"ip", "netns", "exec", ns, "nft"}, strings.Fields(rule)...)...); err != nil {
			return err
		}
	}
	return nil
}

// Heal undoes every partition of the node, on its peers' side too.
func (n *Node) Heal(ctx context.Context) error {
	if err := run(ctx, "bridge", "link", "set", "dev", n.lab.state.port(n.Name()), "state", "3"); err != nil {
		return fmt.Errorf("heal %s: %w", n.Name(), err)
	}
	own := n.lab.state.netns(n.Name())
	_ = run(ctx, "ip", "netns", "exec", own, "nft", "delete", "table", "inet", partitionTable)
	for _, p := range n.lab.Nodes() {
		ns := n.lab.state.netns(p.Name())
		rules, err := output(ctx, "ip", "netns", "exec", ns, "nft", "-a", "list", "ruleset", "inet")
		if err != nil {
			continue // a peer that is off has no rules
		}
		for _, line := range strings.Split(rules, "\n") {
			_, handle, ok := strings.Cut(line, "# handle ")
			if !ok || !strings.Contains(line, "ether saddr "+n.state.MAC+" drop") {
				continue
			}
			if err := run(ctx, "ip", "netns", "exec", ns, "nft", "delete", "rule", "inet", partitionTable, "in", "handle", handle); err != nil {
				return fmt.Errorf("heal %s: %w", n.Name(), err)
			}
		}
	}
	return nil
}
