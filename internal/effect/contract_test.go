package effect_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// canary is in every content that could be secret.
const canary = "canary-of-a-secret"

var now = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// row is one effect over one world.
type row struct {
	effect plan.Effect
	before func(t *testing.T, w *world) // what is there already; nil: nothing
	so     bool                         // it is already so
}

const (
	conf = "/etc/conf" // there in every world
	path = conf + "/thing"
)

func file(mode fs.FileMode) effect.File {
	return effect.File{Host: "n1", Path: path, Content: secret.NewBytes([]byte(canary)), Attr: host.Attr{Mode: mode}}
}

func put(content string, mode fs.FileMode) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) { w.Machine.Put(path, content, mode) }
}

func mkdir(p string, attr host.Attr) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { must(t, w.Machine.Mkdir(t.Context(), p, attr)) }
}

func link(target string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		w.Machine.Put(conf+"/real", "old "+canary, 0o640)
		must(t, w.Machine.Symlink(target, path))
	}
}

func unit(enabled, active bool) func(*testing.T, *world) {
	return func(_ *testing.T, w *world) {
		w.Machine.Put(path, "input", 0o644)
		w.Machine.AddUnit(hosttest.Unit{Name: "kubelet.service", Enabled: enabled, Active: active})
	}
}

func stored(manifests ...string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		for _, m := range manifests {
			w.Store.Put(kubetest.Object(t, m))
		}
	}
}

// applied is there because an earlier run made it.
func applied(e plan.Effect) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { converge(t, w, e) }
}

func both(a, b func(*testing.T, *world)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) { a(t, w); b(t, w) }
}

// highAvailabilityRows are those of further control planes and of etcd.
func highAvailabilityRows(t *testing.T) map[string]row {
	return all(
		sharedRows(t),
		joinRows(),
		keepRows(),
		fieldsRows(t),
		reloadedRows(),
	)
}

func rows(t *testing.T) map[string]row {
	dir := effect.Dir{Host: "n1", Path: path, Attr: host.Attr{Mode: 0o700}}
	deep := effect.Dir{Host: "n1", Path: path + "/a/b", Attr: host.Attr{Mode: 0o750, UID: 7, GID: 8}}
	absent := effect.Absent{Host: "n1", Path: path}
	symlink := effect.Symlink{Host: "n1", Path: path, Target: "real"}
	kubelet := effect.Unit{Host: "n1", Name: "kubelet.service", Inputs: []string{path, conf + "/none"}}
	const dropIn = "/etc/systemd/system/kubelet.service.d/20.conf"
	owned := file(0o600)
	owned.Attr.UID, owned.Attr.GID = 7, 8
	shown := file(0o644)
	shown.Content, shown.Shown = secret.NewBytes([]byte("a: 1\nb: 2\n")), true
	empty := file(0o644)
	empty.Content = secret.NewBytes(nil)
	return all(staticPodRows(), resetRows(), kernelRows(), highAvailabilityRows(t), map[string]row{
		"await": {effect: effect.Await{What: "something"}, so: true},

		"file, absent":           {effect: file(0o600)},
		"file, there":            {effect: file(0o600), before: put(canary, 0o600), so: true},
		"file, other content":    {effect: file(0o600), before: put("old "+canary, 0o600)},
		"file, other mode":       {effect: file(0o600), before: put(canary, 0o644)},
		"file, other owner":      {effect: owned, before: put(canary, 0o600)},
		"file, empty before":     {effect: file(0o600), before: put("", 0o640)},
		"file, to be empty":      {effect: empty, before: put(canary, 0o640)},
		"file, link before":      {effect: file(0o600), before: link("real")},
		"file, link to nothing":  {effect: file(0o600), before: link("none")},
		"file, shown and absent": {effect: shown},
		"file, shown":            {effect: shown, before: put("a: 1\nb: 3\n", 0o644)},

		"absent, absent": {effect: absent, so: true},
		"absent, file":   {effect: absent, before: put("old "+canary, 0o640)},
		"absent, link":   {effect: absent, before: link("real")},

		"dir, absent":              {effect: dir},
		"dir, absent with parents": {effect: deep},
		"dir, parents there":       {effect: deep, before: mkdir(path+"/a", host.Attr{Mode: 0o711})},
		"dir, there":               {effect: dir, before: mkdir(path, dir.Attr), so: true},
		"dir, somebody's":          {effect: effect.Dir{Host: dir.Host, Path: path, Attr: dir.Attr, Keep: true}, before: mkdir(path, host.Attr{Mode: 0o750, UID: 7, GID: 8}), so: true},
		"dir, other mode":          {effect: dir, before: mkdir(path, host.Attr{Mode: 0o755})},
		"dir, other owner":         {effect: dir, before: mkdir(path, host.Attr{Mode: 0o700, UID: 7, GID: 8})},
		"dir, with something in it": {effect: dir, before: func(_ *testing.T, w *world) {
			w.Machine.Put(path+"/file", "x", 0o644)
		}},
		"dir, link to one that is so": {effect: dir, so: true, before: both(mkdir(conf+"/real", dir.Attr),
			func(t *testing.T, w *world) { must(t, w.Machine.Symlink("real", path)) })},
		"dir, link to one": {effect: dir, before: both(mkdir("/var/real", host.Attr{Mode: 0o755}),
			func(t *testing.T, w *world) {
				must(t, w.Machine.Symlink("/var/real", conf+"/between"))
				must(t, w.Machine.Symlink("between", path))
			})},

		"symlink, absent":       {effect: symlink},
		"symlink, there":        {effect: symlink, before: link("real"), so: true},
		"symlink, other target": {effect: symlink, before: link("/etc/other")},

		"unit, neither enabled nor active": {effect: kubelet, before: unit(false, false)},
		"unit, only enabled":               {effect: kubelet, before: unit(true, false)},
		"unit, only active":                {effect: kubelet, before: unit(false, true)},
		"unit, there":                      {effect: kubelet, before: unit(true, true), so: true},
		"unit, input changed":              {effect: kubelet, before: both(unit(true, true), put("changed", 0o644))},
		"unit, drop-in not read": {effect: effect.Unit{Host: "n1", Name: "kubelet.service", Inputs: []string{dropIn}},
			before: both(func(_ *testing.T, w *world) { w.Machine.Put(dropIn, "[Service]\n", 0o644) }, unit(true, true))},
		"unit, only active, input changed": {effect: kubelet, before: both(unit(false, true), put("changed", 0o644))},

		"object, absent":        {effect: object(t, configMap("a: one"))},
		"object, there":         {effect: object(t, configMap("a: one")), before: applied(object(t, configMap("a: one"))), so: true},
		"object, other content": {effect: object(t, configMap("a: one")), before: applied(object(t, configMap("a: two, b: two")))},
		"object, of another":    {effect: object(t, configMap("a: one")), before: stored(configMap("a: two, b: two"))},
		"object, secret":        {effect: object(t, opaque("new "+canary)), before: stored(opaque("old " + canary))},

		"node, absent":       {effect: nodeState()},
		"node, bare":         {effect: nodeState(), before: stored(bareNode)},
		"node, only labels":  {effect: nodeState(), before: applied(effect.NodeState{Name: "n1", Labels: nodeState().Labels})},
		"node, there":        {effect: nodeState(), before: applied(nodeState()), so: true},
		"node, nothing more": {effect: effect.NodeState{Name: "n1"}, before: stored(bareNode), so: true},

		"image, absent": {effect: effect.Image{Host: "n1", Ref: "registry.k8s.io/pause:3.10.2"}},
		"image, there": {effect: effect.Image{Host: "n1", Ref: "registry.k8s.io/pause:3.10.2"}, so: true,
			before: func(_ *testing.T, w *world) { w.Containers.AddImage("registry.k8s.io/pause:3.10.2") }},

		"token, absent":         {effect: bootstrap("abcdef", canary, false)},
		"token, there":          {effect: bootstrap("abcdef", canary, false), before: applied(bootstrap("abcdef", canary, false)), so: true},
		"token, another secret": {effect: bootstrap("abcdef", canary, false), before: applied(bootstrap("abcdef", "other-"+canary, false))},
		"token, expired":        {effect: bootstrap("abcdef", canary, false), before: applied(expired(bootstrap("abcdef", canary, false)))},
		"token, any":            {effect: bootstrap("abcdef", canary, true), before: applied(bootstrap("fedcba", canary, false)), so: true},
		"token, any, expired":   {effect: bootstrap("abcdef", canary, true), before: applied(expired(bootstrap("fedcba", canary, false)))},
	})
}

// all is the rows of several tables.
func all(tables ...map[string]row) map[string]row {
	rows := map[string]row{}
	for _, table := range tables {
		maps.Copy(rows, table)
	}
	return rows
}

// newWorld is a world as a row finds it, and the mutations of its machine.
func (r row) newWorld(t *testing.T) (*world, *host.Log) {
	w := newWorld(t)
	if r.before != nil {
		r.before(t, w)
	}
	log := &host.Log{}
	w.Through = host.Record(w.Machine, log)
	return w, log
}

func TestContract(t *testing.T) {
	for name, r := range rows(t) {
		t.Run(name, func(t *testing.T) {
			t.Run("observing changes nothing", r.observes)
			t.Run("applying converges and is done once", r.converges)
			t.Run("a cancelled context changes nothing", r.cancelled)
			t.Run("no secret is shown", r.silent)
			if _, ok := r.effect.(plan.Undoer); ok {
				t.Run("undoing restores the machine", r.undoes)
			}
		})
	}
}

func (r row) observes(t *testing.T) {
	w, _ := r.newWorld(t)
	before, requests := w.snapshot(), w.Store.Mutations()
	key := r.effect.Key()
	first := look(t, w, r.effect)
	if diff := hosttest.Diff(before, w.snapshot()); diff != "" || w.Store.Mutations() != requests {
		t.Errorf("observing changed:\n%s", diff)
	}
	if first.Empty() != r.so {
		t.Errorf("the change is %+v", first)
	}
	for range 20 {
		if again := look(t, w, r.effect); !reflect.DeepEqual(first, again) {
			t.Fatalf("seen twice, the change is %+v and then %+v", first, again)
		}
	}
	converge(t, w, r.effect)
	if r.effect.Key() != key {
		t.Errorf("the key was %q and is %q", key, r.effect.Key())
	}
}

func (r row) converges(t *testing.T) {
	w, log := r.newWorld(t)
	before := w.snapshot()
	converge(t, w, r.effect)
	if change := look(t, w, r.effect); !change.Empty() {
		t.Fatalf("after it was applied there is still %+v", change)
	}
	if r.so && w.snapshot() != before {
		t.Errorf("it was so and was changed all the same:\n%s", hosttest.Diff(before, w.snapshot()))
	}
	mutations, requests := len(log.Mutations()), w.Store.Mutations()
	converge(t, w, r.effect)
	if len(log.Mutations()) != mutations || w.Store.Mutations() != requests {
		t.Errorf("it was applied a second time: %s", log)
	}
}

func (r row) cancelled(t *testing.T) {
	w, _ := r.newWorld(t)
	observed, err := r.effect.Observe(t.Context(), w)
	must(t, err)
	before := w.snapshot()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = r.effect.Observe(gone, w)
	if err := r.effect.Apply(gone, w, observed); !r.so && !errors.Is(err, context.Canceled) {
		t.Errorf("apply: %v, want context.Canceled", err)
	}
	if diff := hosttest.Diff(before, w.snapshot()); diff != "" {
		t.Errorf("it changed:\n%s", diff)
	}
	undoer, ok := r.effect.(plan.Undoer)
	if !ok {
		return
	}
	undo, err := undoer.Undo(observed)
	must(t, err)
	must(t, r.effect.Apply(t.Context(), w, observed))
	after := w.snapshot()
	if err := effect.Revert(gone, w, undo); !errors.Is(err, context.Canceled) {
		t.Errorf("revert: %v, want context.Canceled", err)
	}
	if diff := hosttest.Diff(after, w.snapshot()); diff != "" {
		t.Errorf("reverting changed:\n%s", diff)
	}
}

func (r row) silent(t *testing.T) {
	w, _ := r.newWorld(t)
	observed, err := r.effect.Observe(t.Context(), w)
	must(t, err)
	shown := fmt.Sprintf("%+v %s", r.effect.Diff(observed), r.effect.Key())
	if undoer, ok := r.effect.(plan.Undoer); ok {
		undo, err := undoer.Undo(observed)
		must(t, err)
		text, err := json.Marshal(undo)
		must(t, err)
		shown += string(text)
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	if strings.Contains(shown, canary) || strings.Contains(shown, encoded) {
		t.Errorf("it shows a secret: %s", shown)
	}
}

// undoes takes the record through JSON as the journal does, the blob beside it.
func (r row) undoes(t *testing.T) {
	for name, times := range map[string]struct{ apply, revert int }{
		"once":                            {1, 1},
		"when the change was not made":    {0, 1},
		"when it was undone and not said": {1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w, _ := r.newWorld(t)
			before := w.snapshot()
			observed, err := r.effect.Observe(t.Context(), w)
			must(t, err)
			undo, err := r.effect.(plan.Undoer).Undo(observed)
			must(t, err)
			line, err := json.Marshal(undo)
			must(t, err)
			read := plan.Undo{}
			must(t, json.Unmarshal(line, &read))
			read.Blob = bytes.Clone(undo.Blob)
			for range times.apply {
				must(t, r.effect.Apply(t.Context(), w, observed))
			}
			for range times.revert {
				must(t, effect.Revert(t.Context(), w, read))
			}
			if diff := hosttest.Diff(before, w.snapshot()); diff != "" {
				t.Errorf("it is not as before:\n%s", diff)
			}
		})
	}
}

func TestKeysTellThingsApart(t *testing.T) {
	of := map[string]plan.Effect{}
	for _, r := range rows(t) {
		key := r.effect.Key()
		if other, ok := of[key]; ok && reflect.TypeOf(other) != reflect.TypeOf(r.effect) {
			t.Errorf("%T and %T both have the key %q", other, r.effect, key)
		}
		of[key] = r.effect
	}
	pairs := [][2]plan.Effect{
		{effect.File{Path: "/a"}, effect.File{Path: "/b"}},
		{effect.Object{Object: kubetest.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: a}")},
			effect.Object{Object: kubetest.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: b}")}},
		{effect.Object{Object: kubetest.Object(t, "apiVersion: v1\nkind: Event\nmetadata: {name: x, namespace: a}")},
			effect.Object{Object: kubetest.Object(t, "apiVersion: events.k8s.io/v1\nkind: Event\nmetadata: {name: x, namespace: a}")}},
		{effect.NodeState{Name: "a"}, effect.NodeState{Name: "b"}},
		{effect.Token{ID: "a"}, effect.Token{ID: "b"}},
		{effect.Image{Ref: "a"}, effect.Image{Ref: "b"}},
		{effect.Turn{Holder: "a"}, effect.Turn{Holder: "a", Released: true}},
	}
	for _, p := range pairs {
		if p[0].Key() == p[1].Key() {
			t.Errorf("two things have the key %q", p[0].Key())
		}
	}
}

// The set is closed: what implements plan.Effect is in the table, and nothing
// else is.
func TestTheSetIsClosed(t *testing.T) {
	methods := map[string][]string{}
	entries, err := os.ReadDir(".")
	must(t, err)
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil {
				continue
			}
			receiver := f.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if name, ok := receiver.(*ast.Ident); ok {
				methods[name.Name] = append(methods[name.Name], f.Name.Name)
			}
		}
	}
	tested := map[string]bool{}
	for _, r := range rows(t) {
		tested[reflect.TypeOf(r.effect).Name()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		has := func(m string) bool { return slices.Contains(methods[name], m) }
		if has("Observe") && has("Diff") && has("Apply") && !tested[name] {
			t.Errorf("the effect %s is not in the contract suite's table", name)
		}
		delete(tested, name)
	}
	for name := range tested {
		t.Errorf("%s is in the table and not in the package", name)
	}
}
