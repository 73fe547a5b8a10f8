package hosttest

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/host"
)

// network is what the machine's kernel holds beside its files.
type network struct {
	links  []Link
	tables []string                       // of nftables, "ip kube-proxy"
	rules  map[string]map[string]*ruleset // by program, "iptables-nft", and table
}

// Link is a network interface. The zero value of Master is none.
type Link struct{ Name, Kind, Master string }

type ruleset struct {
	chains []string // ":NAME POLICY [0:0]" without the colon
	rules  []string // "-A …"
}

func (n *network) snapshot(b *strings.Builder) {
	for _, l := range n.links {
		fmt.Fprintf(b, "link %+v\n", l)
	}
	for _, t := range n.tables {
		fmt.Fprintf(b, "nft table %s\n", t)
	}
	for _, program := range slices.Sorted(maps.Keys(n.rules)) {
		fmt.Fprintf(b, "%s\n%s", program, n.save(program))
	}
}

func (n *network) save(program string) string {
	var b strings.Builder
	for _, table := range slices.Sorted(maps.Keys(n.rules[program])) {
		set := n.rules[program][table]
		fmt.Fprintf(&b, "*%s\n", table)
		for _, c := range set.chains {
			fmt.Fprintf(&b, ":%s\n", c)
		}
		for _, r := range set.rules {
			fmt.Fprintln(&b, r)
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

// AddLink adds a network interface.
func (m *Machine) AddLink(l Link) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network.links = append(m.network.links, l)
}

// AddTable adds a table of nftables, "ip kube-proxy".
func (m *Machine) AddTable(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.network.tables = append(m.network.tables, name)
}

// Rules installs iptables under a name, "iptables-nft", with what its -save
// program prints. Without it the machine does not have the program.
func (m *Machine) Rules(program, saved string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tables, at := map[string]*ruleset{}, (*ruleset)(nil)
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "*"):
			at = &ruleset{}
			tables[line[1:]] = at
		case strings.HasPrefix(line, ":"):
			at.chains = append(at.chains, line[1:])
		case strings.HasPrefix(line, "-A "):
			at.rules = append(at.rules, line)
		}
	}
	if m.network.rules == nil {
		m.network.rules = map[string]map[string]*ruleset{}
	}
	m.network.rules[program] = tables
}

func (m *Machine) ip(cmd host.Cmd) (host.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	args := strings.Join(cmd.Args[1:], " ")
	if name, ok := strings.CutPrefix(args, "link delete dev "); ok {
		left := slices.DeleteFunc(slices.Clone(m.network.links), func(l Link) bool { return l.Name == name })
		if len(left) == len(m.network.links) {
			return exited(1, "Cannot find device \"%s\"", name)
		}
		for i := range left {
			if left[i].Master == name {
				left[i].Master = ""
			}
		}
		m.network.links = left
		return host.Result{}, nil
	}
	if args != "-j -d link show" {
		return host.Result{}, notUnderstood(cmd)
	}
	list := []map[string]any{{"ifname": "lo", "link_type": "loopback"}}
	for _, l := range m.network.links {
		entry := map[string]any{"ifname": l.Name, "linkinfo": map[string]any{"info_kind": l.Kind}}
		if l.Master != "" {
			entry["master"] = l.Master
		}
		list = append(list, entry)
	}
	data, err := json.Marshal(list)
	return host.Result{Stdout: data}, err
}

func (m *Machine) nft(cmd host.Cmd) (host.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	args := strings.Join(cmd.Args[1:], " ")
	if name, ok := strings.CutPrefix(args, "delete table "); ok {
		if !slices.Contains(m.network.tables, name) {
			return exited(1, "Error: No such file or directory")
		}
		m.network.tables = slices.DeleteFunc(m.network.tables, func(t string) bool { return t == name })
		return host.Result{}, nil
	}
	if args != "list tables" {
		return host.Result{}, notUnderstood(cmd)
	}
	var b strings.Builder
	for _, t := range m.network.tables {
		fmt.Fprintln(&b, "table", t)
	}
	return printed("%s", b.String())
}

// firewallProgram is the -save or -restore of iptables, by whichever name it
// was installed with Rules.
func (m *Machine) firewallProgram(name string) (Program, error) {
	for _, suffix := range []string{"-save", "-restore"} {
		base, ok := strings.CutSuffix(name, suffix)
		if !ok || !strings.HasPrefix(base, "iptables") && !strings.HasPrefix(base, "ip6tables") {
			continue
		}
		if m.network.rules[base] == nil {
			return nil, fmt.Errorf("no such program: %w", fs.ErrNotExist)
		}
		return func(m *Machine, cmd host.Cmd) (host.Result, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if suffix == "-save" {
				return printed("%s", m.network.save(base))
			}
			return m.restore(cmd, base)
		}, nil
	}
	return nil, nil
}

// restore changes all that it is told, or nothing.
func (m *Machine) restore(cmd host.Cmd, program string) (host.Result, error) {
	if !slices.Contains(cmd.Args, "--noflush") {
		return host.Result{}, notUnderstood(cmd)
	}
	tables := map[string]*ruleset{}
	for name, set := range m.network.rules[program] {
		tables[name] = &ruleset{chains: slices.Clone(set.chains), rules: slices.Clone(set.rules)}
	}
	at := (*ruleset)(nil)
	for line := range strings.Lines(string(cmd.Stdin)) {
		line = strings.TrimSpace(line)
		ok := true
		switch {
		case strings.HasPrefix(line, "*"):
			at = tables[line[1:]]
			ok = at != nil
		case strings.HasPrefix(line, ":"):
			at.flush(line[1:])
		case strings.HasPrefix(line, "-D "):
			ok = at.drop("-A" + strings.TrimPrefix(line, "-D"))
		case strings.HasPrefix(line, "-X "):
			ok = at.removeChain(strings.TrimPrefix(line, "-X "))
		case line != "COMMIT":
			return host.Result{}, notUnderstood(cmd)
		}
		if !ok {
			return exited(1, "%s: line failed: %s", cmd.Args[0], line)
		}
	}
	m.network.rules[program] = tables
	return host.Result{}, nil
}

func (s *ruleset) flush(chain string) {
	name, _, _ := strings.Cut(chain, " ")
	s.rules = slices.DeleteFunc(s.rules, func(r string) bool { return strings.HasPrefix(r, "-A "+name+" ") })
	if !s.has(name) {
		s.chains = append(s.chains, chain)
	}
}

func (s *ruleset) drop(rule string) bool {
	i := slices.Index(s.rules, rule)
	if i < 0 {
		return false
	}
	s.rules = slices.Delete(s.rules, i, i+1)
	return true
}

func (s *ruleset) removeChain(name string) bool {
	used := slices.ContainsFunc(s.rules, func(r string) bool {
		return strings.HasPrefix(r, "-A "+name+" ") || strings.HasSuffix(r, "-j "+name) || strings.Contains(r, "-j "+name+" ")
	})
	if used || !s.has(name) {
		return false
	}
	s.chains = slices.DeleteFunc(s.chains, func(c string) bool { return strings.HasPrefix(c, name+" ") })
	return true
}

func (s *ruleset) has(name string) bool {
	return slices.ContainsFunc(s.chains, func(c string) bool { return strings.HasPrefix(c, name+" ") })
}

const mountInfo = "/proc/self/mountinfo"

// Mount adds a mount, of which /proc/self/mountinfo tells. What is in it is
// what is below p in the machine's tree.
func (m *Machine) Mount(p string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mustMkdir(p)
	_, n, _ := m.resolve(mountInfo, true)
	m.mustPut(mountInfo, fmt.Sprintf("%s36 1 0:2 / %s rw - tmpfs tmpfs rw\n", n.content, strings.ReplaceAll(p, " ", `\040`)), 0o444)
}

// umount takes the newest mount off; what was in it is out of sight.
func (m *Machine) umount(cmd host.Cmd) (host.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := cmd.Args[len(cmd.Args)-1]
	for _, arg := range cmd.Args[1 : len(cmd.Args)-1] {
		if !slices.Contains([]string{"-c", "-f", "-l"}, arg) {
			return host.Result{}, notUnderstood(cmd)
		}
	}
	_, n, err := m.resolve(mountInfo, true)
	if err != nil {
		return host.Result{}, err
	}
	lines := slices.Collect(strings.Lines(string(n.content)))
	for i, line := range slices.Backward(lines) {
		if strings.Fields(line)[4] == strings.ReplaceAll(p, " ", `\040`) {
			for _, below := range m.below(p) {
				if below != p {
					delete(m.tree, below)
				}
			}
			m.mustPut(mountInfo, strings.Join(slices.Delete(lines, i, i+1), ""), 0o444)
			return host.Result{}, nil
		}
	}
	return exited(32, "umount: %s: not mounted.", p)
}
