package effect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
)

const rules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:KUBE-FORWARD - [0:0]
:MINE-KUBE - [0:0]
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m comment --comment "not -j KUBE-FORWARD" -j MINE-KUBE
-A KUBE-FORWARD -m comment --comment "quoted \" -j MINE-KUBE" -j ACCEPT
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:FLANNEL-POSTRTG - [0:0]
:KUBE-POSTROUTING - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A POSTROUTING -j KUBE-POSTROUTING
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
-A KUBE-POSTROUTING -j RETURN
COMMIT
`

const mine = `*filter
:INPUT ACCEPT [0:0]
:MINE - [0:0]
-A INPUT -m comment --comment "KUBE-FORWARD" -j MINE
COMMIT
`

func resetRows() map[string]row {
	stopped := effect.Stopped{Host: "n1", Name: "kubelet.service"}
	mounts := effect.Mounts{Host: "n1", Below: path}
	tree := effect.Tree{Host: "n1", Path: path}
	named := effect.Tree{Host: "n1", Path: path, Names: []string{"a", "b", "net-*"}}
	stays := effect.Tree{Host: "n1", Path: path, Names: named.Names, Stays: true}
	sandboxes := effect.Sandboxes{Host: "n1"}
	member := effect.EtcdMember{Host: "n1", ID: 0xa, Name: "n1"}
	links := effect.Links{Host: "n1", Names: []effect.Link{{Name: "cni0", Kind: "bridge"}, {Name: "flannel.1", Kind: "vxlan"}}}
	chains := effect.Chains{Host: "n1", Program: "iptables-nft", Prefixes: []string{"KUBE-", "FLANNEL-"}}
	tables := effect.Tables{Host: "n1", Names: []string{"ip kube-proxy", "ip6 kube-proxy"}}
	files := func(names ...string) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) {
			for _, name := range names {
				w.Machine.Put(path+"/"+name, canary, 0o600)
			}
		}
	}
	mounted := func(points ...string) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) {
			for _, p := range points {
				w.Machine.Mount(p)
			}
		}
	}
	etcdOf := func(members ...etcd.Member) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) {
			for _, m := range members {
				w.EtcdCluster.Add(m)
			}
		}
	}
	const dropInPath = "/etc/systemd/system/kubelet.service.d/20.conf"
	noDropIn := effect.NoDropIn{Host: "n1", Unit: "kubelet.service", Path: dropInPath}
	dropIn := func(t *testing.T, w *world) { w.Machine.Put(dropInPath, "[Service]\n", 0o644) }
	reload := func(t *testing.T, w *world) {
		_, err := w.Machine.Run(t.Context(), host.Cmd{Args: []string{"systemctl", "daemon-reload"}})
		must(t, err)
	}
	removed := func(t *testing.T, w *world) { must(t, w.Machine.Remove(t.Context(), dropInPath)) }
	return map[string]row{
		"no drop-in, none":                   {effect: noDropIn, before: unit(true, false), so: true},
		"no drop-in, no unit":                {effect: noDropIn, so: true},
		"no drop-in, one":                    {effect: noDropIn, before: both(unit(true, false), both(dropIn, reload))},
		"no drop-in, one that nobody read":   {effect: noDropIn, before: both(unit(true, false), dropIn)},
		"no drop-in, gone and not forgotten": {effect: noDropIn, before: both(unit(true, false), both(both(dropIn, reload), removed))},

		"stopped, no unit": {effect: stopped, so: true},
		"stopped, running": {effect: stopped, before: unit(true, true)},
		"stopped, stopped": {effect: stopped, before: unit(true, false), so: true},

		"mounts, none":          {effect: mounts, so: true},
		"mounts, only on it":    {effect: mounts, before: mounted(path, path+"-other"), so: true},
		"mounts, on each other": {effect: mounts, before: mounted(path+"/a", path+"/a/b c", path+"/a/b c")},
		"mounts, through a link": {effect: effect.Mounts{Host: "n1", Below: path, Force: true, Detach: true}, before: func(t *testing.T, w *world) {
			must(t, w.Machine.Symlink("/data", path))
			w.Machine.Mount("/data/a")
		}},

		"tree, absent":        {effect: tree, so: true},
		"tree, file":          {effect: tree, before: put(canary, 0o600)},
		"tree, link":          {effect: tree, before: link("real")},
		"tree, full":          {effect: tree, before: files("a", "b/c/d")},
		"tree, empty":         {effect: tree, before: mkdir(path, host.Attr{Mode: 0o700})},
		"tree, mount point":   {effect: tree, before: both(mounted(path), files("a"))},
		"tree, empty mount":   {effect: tree, before: mounted(path), so: true},
		"tree, names":         {effect: named, before: files("a", "c", "net-1/x")},
		"tree, only names":    {effect: named, before: files("a", "b", ".a.clusteradm-0123456789abcdef")},
		"tree, other names":   {effect: named, before: files("c", ".b"), so: true},
		"tree, others' mount": {effect: named, before: both(files("a"), mounted(path+"/c"))},
		"tree, only if empty": {effect: effect.Tree{Host: "n1", Path: path, Names: []string{}}, before: mkdir(path, host.Attr{Mode: 0o700})},
		"tree, not empty":     {effect: effect.Tree{Host: "n1", Path: path, Names: []string{}}, before: files("a"), so: true},
		"tree, stays":         {effect: stays, before: files("a")},
		"tree, stays, empty":  {effect: stays, before: mkdir(path, host.Attr{Mode: 0o700}), so: true},

		"sandboxes, none": {effect: sandboxes, so: true},
		"sandboxes, some": {effect: sandboxes, before: func(_ *testing.T, w *world) {
			for _, id := range []string{"1", "2", "3"} {
				w.Containers.AddSandbox(cri.Sandbox{ID: id, Name: "p" + id, Namespace: "default", Ready: true})
				w.Containers.AddContainer(cri.Container{ID: "c" + id, SandboxID: id, Running: true})
			}
		}},

		"etcd member, there": {effect: member, before: etcdOf(etcd.Member{ID: 0xa, Name: "n1"}, etcd.Member{ID: 0xb, Name: "n2"})},
		"etcd member, gone":  {effect: member, before: etcdOf(etcd.Member{ID: 0xb, Name: "n2"}), so: true},

		"links, none": {effect: links, before: func(_ *testing.T, w *world) {
			w.Machine.AddLink(hosttest.Link{Name: "eth0"})
			w.Machine.AddLink(hosttest.Link{Name: "cni0", Kind: "dummy"}) // of somebody else
			w.Machine.AddLink(hosttest.Link{Name: "veth1", Kind: "veth", Master: "docker0"})
		}, so: true},
		"links, all": {effect: links, before: func(_ *testing.T, w *world) {
			for _, l := range []hosttest.Link{{Name: "eth0"}, {Name: "cni0", Kind: "bridge"}, {Name: "flannel.1", Kind: "vxlan"}, {Name: "veth1", Kind: "veth", Master: "cni0"}} {
				w.Machine.AddLink(l)
			}
		}},

		"chains, no program": {effect: chains, so: true},
		"chains, none":       {effect: chains, before: func(_ *testing.T, w *world) { w.Machine.Rules("iptables-nft", mine) }, so: true},
		"chains, some":       {effect: chains, before: func(_ *testing.T, w *world) { w.Machine.Rules("iptables-nft", rules) }},

		"tables, none": {effect: tables, before: func(_ *testing.T, w *world) { w.Machine.AddTable("ip mine") }, so: true},
		"tables, some": {effect: tables, before: func(_ *testing.T, w *world) {
			w.Machine.AddTable("ip mine")
			w.Machine.AddTable("ip6 kube-proxy")
		}},
	}
}

// What is mounted holds users' data: nothing below a mount is deleted, however
// the way to it leads over links.
func TestTreeDeletesNothingThatIsMounted(t *testing.T) {
	for name, at := range map[string]string{"below": path + "/pods/1/volume", "through a link": "/data/kubelet/pods/1/volume"} {
		w := newWorld(t)
		if name != "below" {
			w.Machine.Put("/data/kubelet/x", "", 0o600)
			must(t, w.Machine.Symlink("/data/kubelet", path))
		}
		w.Machine.Mount(at)
		w.Machine.Put(at+"/of-a-user", "data", 0o600)
		before := w.snapshot()
		tree := effect.Tree{Host: "n1", Path: path}
		observed, err := tree.Observe(t.Context(), w)
		must(t, err)
		if tree.Diff(observed).Empty() {
			t.Errorf("%s: a dry run shows nothing to remove", name)
		}
		var busy *effect.BusyError
		if err := tree.Apply(t.Context(), w, observed); !errors.As(err, &busy) || busy.Point != at || busy.Hint() == "" {
			t.Errorf("%s: %v, want that %s is mounted", name, err, at)
		}
		if diff := hosttest.Diff(before, w.snapshot()); diff != "" {
			t.Errorf("%s: it changed:\n%s", name, diff)
		}
		converge(t, w, effect.Mounts{Host: "n1", Below: path})
		converge(t, w, tree)
		if left := look(t, w, tree); !left.Empty() {
			t.Errorf("%s: left: %+v", name, left)
		}
	}
}

func TestBusyMountSaysSo(t *testing.T) {
	w := newWorld(t)
	w.Machine.Mount(path + "/a")
	w.Machine.AddProgram("umount", func(*hosttest.Machine, host.Cmd) (host.Result, error) {
		return host.Result{Exit: 32, Stderr: []byte("umount: " + path + "/a: target is busy.\n")}, nil
	})
	mounts := effect.Mounts{Host: "n1", Below: path}
	observed, err := mounts.Observe(t.Context(), w)
	must(t, err)
	var busy *effect.BusyError
	if err := mounts.Apply(t.Context(), w, observed); !errors.As(err, &busy) || !strings.Contains(err.Error(), "target is busy") {
		t.Errorf("%v", err)
	}
}

// Rules of others that only name our chains in a comment stay, and one table is
// changed as a whole.
func TestChainsTouchNoOtherRule(t *testing.T) {
	w := newWorld(t)
	w.Machine.Rules("iptables-nft", rules)
	converge(t, w, effect.Chains{Host: "n1", Program: "iptables-nft", Prefixes: []string{"KUBE-", "FLANNEL-"}})
	want := `*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:MINE-KUBE - [0:0]
-A FORWARD -m comment --comment "not -j KUBE-FORWARD" -j MINE-KUBE
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE
COMMIT
`
	res, err := w.Machine.Query(t.Context(), host.Cmd{Args: []string{"iptables-nft-save"}})
	must(t, err)
	if diff := hosttest.Diff(want, string(res.Stdout)); diff != "" {
		t.Errorf("the rules are not what they should be:\n%s", diff)
	}
}

// The end of a pod's pair goes with the pod's network at any moment.
func TestLinkThatGoesByItselfIsNoError(t *testing.T) {
	w := newWorld(t)
	w.Machine.AddLink(hosttest.Link{Name: "cni0", Kind: "bridge"})
	w.Machine.AddLink(hosttest.Link{Name: "veth1", Kind: "veth", Master: "cni0"})
	links := effect.Links{Host: "n1", Names: []effect.Link{{Name: "cni0", Kind: "bridge"}}}
	observed, err := links.Observe(t.Context(), w)
	must(t, err)
	_, err = w.Machine.Run(t.Context(), host.Cmd{Args: []string{"ip", "link", "delete", "dev", "veth1"}})
	must(t, err)
	must(t, links.Apply(t.Context(), w, observed))
	if left := look(t, w, links); !left.Empty() {
		t.Errorf("left: %+v", left)
	}
}

// A runtime or an etcd that does not answer is an error and not "nothing there".
func TestWhatDoesNotAnswerIsNotEmpty(t *testing.T) {
	w := newWorld(t)
	w.Containers.Down()
	if _, err := (effect.Sandboxes{Host: "n1"}).Observe(t.Context(), w); !errors.Is(err, cri.ErrUnavailable) {
		t.Errorf("sandboxes: %v", err)
	}
	if _, err := (effect.EtcdMember{Host: "n1", ID: 1}).Observe(t.Context(), w); !errors.Is(err, etcd.ErrUnavailable) {
		t.Errorf("etcd member: %v", err)
	}
}

// With more rules than a program's output may be long, each look sees the
// beginning.
func TestChainsOfMoreRulesThanCanBeRead(t *testing.T) {
	w := newWorld(t)
	w.Machine.Rules("iptables-nft", rules)
	short := truncating{w.World}
	chains := effect.Chains{Host: "n1", Program: "iptables-nft", Prefixes: []string{"KUBE-", "FLANNEL-"}}
	observed, err := chains.Observe(t.Context(), short)
	must(t, err)
	if lines := chains.Diff(observed).Lines; slices.Contains(lines, "-nat: chain KUBE-POSTROUTING") {
		t.Fatalf("it was not cut: %v", lines)
	}
	must(t, chains.Apply(t.Context(), w, observed))
	if left := look(t, w, chains); !left.Empty() {
		t.Errorf("left: %+v", left)
	}
}

var _ plan.View = truncating{}
