package nodes

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components"
	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// Logf receives one line of progress.
type Logf func(format string, args ...any)

// Storage says where what nodes write is kept.
type Storage string

const (
	// Memory keeps it on a tmpfs: fast, and it survives Kill, not the machine.
	Memory Storage = "memory"
	// Disk keeps it on the cache's file system, for durability scenarios.
	Disk Storage = "disk"
)

// Config describes a lab.
type Config struct {
	Name    string             // default "lab"; at most 11 of a-z, 0-9 and -
	Nodes   []string           // host names
	Bundle  *components.Bundle // what the nodes have installed
	Storage Storage            // default Memory
	Logf    Logf               // default: discarded
}

// Lab is a running lab.
type Lab struct {
	state *state
	nodes []*Node
}

var (
	labName  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,9}[a-z0-9])?$`)
	nodeName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
)

func (c *Config) complete() error {
	if c.Name == "" {
		c.Name = "lab"
	}
	if c.Storage == "" {
		c.Storage = Memory
	}
	if c.Logf == nil {
		c.Logf = func(string, ...any) {}
	}
	var errs []error
	if !labName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("lab name %q: want 1 to 11 of a-z, 0-9 and -", c.Name))
	}
	if c.Storage != Memory && c.Storage != Disk {
		errs = append(errs, fmt.Errorf("storage %q: want memory or disk", c.Storage))
	}
	if c.Bundle == nil {
		errs = append(errs, errors.New("bundle: required"))
	}
	if len(c.Nodes) == 0 || len(c.Nodes) > 200 {
		errs = append(errs, fmt.Errorf("%d nodes: want 1 to 200", len(c.Nodes)))
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if !nodeName.MatchString(n) || seen[n] {
			errs = append(errs, fmt.Errorf("node name %q: not a host name, or there twice", n))
		}
		seen[n] = true
	}
	return errors.Join(errs...)
}

// Up makes a lab and boots its nodes. When it fails or ctx is cancelled,
// everything it made is taken down again.
func Up(ctx context.Context, cfg Config) (_ *Lab, err error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("configure lab: %w", err)
	}
	if err := debian.Install(ctx, cfg.Logf, hostPackages); err != nil {
		return nil, err
	}
	if err := checkHost(); err != nil {
		return nil, err
	}
	if err := raiseInotify(cfg.Logf); err != nil {
		return nil, err
	}
	start := time.Now()
	lab, err := claim(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			// The caller's context may be the reason; taking down must not be.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			err = errors.Join(err, lab.Down(ctx))
		}
	}()
	if err := lab.build(ctx); err != nil {
		return nil, err
	}
	errs := make([]error, len(lab.nodes))
	var group sync.WaitGroup
	for i, n := range lab.nodes {
		group.Go(func() {
			booted := time.Now()
			if errs[i] = n.prepare(ctx); errs[i] == nil {
				errs[i] = n.Start(ctx)
			}
			if errs[i] == nil {
				cfg.Logf("node %s (%s) up in %.1fs", n.Name(), n.Address(), time.Since(booted).Seconds())
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := lab.writeKnownHosts(); err != nil {
		return nil, err
	}
	cfg.Logf("lab %s up in %.1fs", cfg.Name, time.Since(start).Seconds())
	return lab, nil
}

// claim prepares the shared directories and takes the lab's name and subnet,
// writing down what will be made. Two at a time would do the same work twice.
func claim(ctx context.Context, cfg Config) (*Lab, error) {
	unlock, err := lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	if old, err := loadState(cfg.Name); err == nil {
		if !old.stale() {
			return nil, fmt.Errorf("make lab %s: it is there already; take it down first", cfg.Name)
		}
		cfg.Logf("lab %s is left from before this machine was restarted: removing it", cfg.Name)
		if err := newLab(old).Down(ctx); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, ErrNoLab) {
		return nil, err
	}
	cache := cfg.Bundle.Cache
	root, err := prepareDebian(ctx, cache, cfg.Logf)
	if err != nil {
		return nil, err
	}
	programs, err := prepareLayer(cache, cfg.Bundle, cfg.Logf)
	if err != nil {
		return nil, err
	}
	images, err := prepareImages(ctx, cache, cfg.Bundle, cfg.Logf)
	if err != nil {
		return nil, err
	}
	subnet, err := freeSubnet()
	if err != nil {
		return nil, err
	}
	s := &state{
		Name: cfg.Name, Boot: bootID(), Created: time.Now().UTC(), Bundle: cfg.Bundle.Dir, Subnet: subnet,
		Storage: cfg.Storage, Data: filepath.Join(cache, "lab", "run", cfg.Name), Lower: []string{programs, root}, Images: images,
	}
	for i, name := range cfg.Nodes {
		s.Nodes = append(s.Nodes, nodeState{
			Name: name, Address: fmt.Sprintf("10.210.%d.%d", subnet, 11+i),
			MAC: fmt.Sprintf("02:c1:d2:00:%02x:%02x", subnet, 11+i), UUID: newUUID(),
		})
	}
	if err := os.MkdirAll(stateDir(cfg.Name), 0o700); err != nil {
		return nil, fmt.Errorf("make lab %s: %w", cfg.Name, err)
	}
	if err := s.save(); err != nil {
		return nil, err
	}
	return newLab(s), nil
}

func newLab(s *state) *Lab {
	lab := &Lab{state: s}
	for _, n := range s.Nodes {
		lab.nodes = append(lab.nodes, &Node{lab: lab, state: n})
	}
	return lab
}

// build makes what the nodes share.
func (l *Lab) build(ctx context.Context) error {
	s := l.state
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		return fmt.Errorf("make lab %s: %w", s.Name, err)
	}
	if s.Storage == Memory {
		if err := os.MkdirAll(s.memory(), 0o755); err != nil {
			return fmt.Errorf("make lab %s: %w", s.Name, err)
		}
		if err := run(ctx, "mount", "-t", "tmpfs", "-o", "mode=755,size=60%", "lab-"+s.Name, s.memory()); err != nil {
			return fmt.Errorf("make lab %s: %w", s.Name, err)
		}
	}
	if err := run(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab "+s.Name, "-f", l.KeyFile()); err != nil {
		return fmt.Errorf("make lab %s: %w", s.Name, err)
	}
	return s.makeBridge(ctx)
}

func (s *state) memory() string { return filepath.Join(stateDir(s.Name), "nodes") }

func (s *state) nodeDir(node string) string {
	if s.Storage == Memory {
		return filepath.Join(s.memory(), node)
	}
	return filepath.Join(s.Data, node)
}

// Open returns the lab of that name, which any process may have made.
func Open(name string) (*Lab, error) {
	s, err := loadState(name)
	if err != nil {
		return nil, err
	}
	if s.stale() {
		return nil, fmt.Errorf("open lab %s: this machine was restarted since; take it down and up again", name)
	}
	return newLab(s), nil
}

// Remove takes down the lab of that name, stale or not.
func Remove(ctx context.Context, name string) error {
	s, err := loadState(name)
	if err != nil {
		return err
	}
	return newLab(s).Down(ctx)
}

// Down ends the nodes and removes everything the lab made, whatever part of
// it is there. The cache stays. Down of a lab that is gone does nothing.
func (l *Lab) Down(ctx context.Context) error {
	s := l.state
	if _, err := loadState(s.Name); errors.Is(err, ErrNoLab) {
		return nil
	}
	var errs []error
	if !s.stale() {
		for _, n := range l.nodes {
			errs = append(errs, n.cgroup().kill(ctx))
		}
		for _, n := range l.nodes {
			errs = append(errs, n.cgroup().remove(ctx), unmount(n.Root()))
			s.unplug(ctx, n.state)
			_ = os.RemoveAll("/run/systemd/nspawn/propagate/lab-" + s.Name + "-" + n.Name())
		}
		errs = append(errs, cgroup{lab: s.Name}.remove(ctx), unmount(s.memory()))
		_ = run(ctx, "ip", "link", "del", s.bridge())
		if list, err := hierarchies(); err == nil {
			for _, h := range list {
				_ = os.Remove(filepath.Join(h.mount, "clusteradm-lab")) // stays while another lab is there
			}
		}
	}
	// State last, and only if nothing is left: it is how the rest is found.
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take down lab %s: %w", s.Name, err)
	}
	for _, dir := range []string{s.Data, stateDir(s.Name)} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("take down lab %s: %w", s.Name, err)
		}
	}
	return nil
}

// unmount unmounts everything mounted at path; that nothing is, is fine.
func unmount(path string) error {
	for {
		err := syscall.Unmount(path, 0)
		switch {
		case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOENT):
			return nil
		case err != nil:
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
}

// Name is the lab's name.
func (l *Lab) Name() string { return l.state.Name }

// Nodes are the lab's nodes in the order they were asked for.
func (l *Lab) Nodes() []*Node { return l.nodes }

// Node returns a node by name, nil when the lab has none of that name.
func (l *Lab) Node(name string) *Node {
	for _, n := range l.nodes {
		if n.Name() == name {
			return n
		}
	}
	return nil
}

// Bundle is what the nodes have installed.
func (l *Lab) Bundle() (*components.Bundle, error) { return components.Open(l.state.Bundle) }

// Subnet is the lab's network, Gateway this machine's address in it.
func (l *Lab) Subnet() string  { return fmt.Sprintf("10.210.%d.0/24", l.state.Subnet) }
func (l *Lab) Gateway() string { return l.state.gateway() }

// KeyFile is the private key that root on every node accepts; KnownHosts has
// the nodes' host keys under their names and addresses.
func (l *Lab) KeyFile() string    { return filepath.Join(stateDir(l.state.Name), "id_ed25519") }
func (l *Lab) KnownHosts() string { return filepath.Join(stateDir(l.state.Name), "known_hosts") }

func (l *Lab) writeKnownHosts() error {
	var text string
	for _, n := range l.nodes {
		key, err := os.ReadFile(filepath.Join(n.Root(), "etc/ssh/ssh_host_ed25519_key.pub"))
		if err != nil {
			return fmt.Errorf("collect host keys: %w", err)
		}
		text += n.Name() + "," + n.Address() + " " + string(key)
	}
	if err := os.WriteFile(l.KnownHosts(), []byte(text), 0o600); err != nil {
		return fmt.Errorf("collect host keys: %w", err)
	}
	return nil
}

// newUUID is a random UUID in the form product_uuid has.
func newUUID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
