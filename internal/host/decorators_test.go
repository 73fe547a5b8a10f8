package host_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
)

// mutation is one way to change a machine; mutations has one of each, to be
// done in order.
type mutation struct {
	name string
	do   func() error
}

func mutations(t *testing.T, h host.Host) []mutation {
	ctx := t.Context()
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	return []mutation{
		{"write", func() error { return h.WriteFiles(ctx, files("/tmp/a")) }},
		{"rename", func() error { return h.Rename(ctx, "/tmp/a", "/tmp/b", false) }},
		{"upload", func() error {
			return h.Upload(ctx, "/tmp/u", strings.NewReader(""), host.Attr{Mode: 0o600}, empty)
		}},
		{"mkdir", func() error { return h.Mkdir(ctx, "/tmp/d", host.Attr{Mode: 0o700}) }},
		{"link", func() error { return h.Link(ctx, "/tmp/l", "b") }},
		{"remove", func() error { return h.Remove(ctx, "/tmp/b") }},
		{"run", func() error { _, err := h.Run(ctx, kernel()); return err }},
	}
}

func doAll(t *testing.T, list []mutation) {
	t.Helper()
	for _, m := range list {
		if err := m.do(); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
	}
}

func files(paths ...string) (list []host.File) {
	for _, p := range paths {
		list = append(list, host.File{Path: p, Content: []byte(p), Attr: host.Attr{Mode: 0o600}})
	}
	return list
}

func kernel() host.Cmd { return host.Cmd{Args: []string{"uname", "-r"}} }

func machine() *hosttest.Machine { return hosttest.New("m", hosttest.Options{}) }

func TestReadOnlyRefusesEveryMutation(t *testing.T) {
	m := machine()
	before := m.Snapshot()
	h := host.ReadOnly(m)
	for _, m := range mutations(t, h) {
		if err := m.do(); !errors.Is(err, host.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", m.name, err)
		}
	}
	if diff := hosttest.Diff(before, m.Snapshot()); diff != "" {
		t.Errorf("it was changed:\n%s", diff)
	}
	if _, err := h.Query(t.Context(), kernel()); err != nil {
		t.Errorf("query: %v", err)
	}
}

func TestReaderCannotBeAssertedBack(t *testing.T) {
	var log host.Log
	r := host.AsReader(host.Record(machine(), &log)) // a Host and a Dialer
	if _, ok := r.(host.Host); ok {
		t.Error("a reader is a Host")
	}
	if _, ok := r.(host.Dialer); ok {
		t.Error("a reader is a Dialer")
	}
	if r.Name() != "m" {
		t.Errorf("name %q", r.Name())
	}
}

func TestRecordTellsMutationsFromQueries(t *testing.T) {
	var log host.Log
	h := host.Record(machine(), &log)
	doAll(t, mutations(t, h))
	if _, err := h.Query(t.Context(), kernel()); err != nil {
		t.Fatal(err)
	}
	err := h.Rename(t.Context(), "/tmp/none", "/tmp/x", true)
	want := "write /tmp/a\nrename /tmp/a /tmp/b\nupload /tmp/u\nmkdir /tmp/d\nlink /tmp/l\nremove /tmp/b\n" +
		"run uname -r\nquery uname -r\nexchange /tmp/none /tmp/x\n"
	if log.String() != want {
		t.Fatalf("log:\n%s", log.String())
	}
	if n := len(log.Mutations()); n != 8 {
		t.Errorf("%d mutations", n)
	}
	if argv := log.Argv(); len(argv) != 2 || !slices.Equal(argv[0], kernel().Args) {
		t.Errorf("argv %v", argv)
	}
	last := log.Entries()[8]
	if !errors.Is(last.Err, fs.ErrNotExist) || !errors.Is(err, fs.ErrNotExist) || last.Host != "m" {
		t.Errorf("the failed call is recorded as %+v", last)
	}
}

func TestDecoratorsDoNotDialForAHostThatCannot(t *testing.T) {
	d, ok := host.Record(machine(), &host.Log{}).(host.Dialer)
	if !ok {
		t.Fatal("a recorder is no Dialer")
	}
	if _, err := d.DialHost(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

func TestFailAtZeroOnlyCounts(t *testing.T) {
	f := host.FailAt(machine(), 0)
	doAll(t, mutations(t, f))
	if err := f.WriteFiles(t.Context(), files("/tmp/x", "/tmp/y", "/tmp/z")); err != nil || f.Count() != 10 {
		t.Errorf("count %d, %v", f.Count(), err)
	}
}

func failing(h host.Host, k int, after bool) *host.Failing {
	if after {
		return host.FailAfter(h, k)
	}
	return host.FailAt(h, k)
}

// For every k: the mutations before it are done, it is done or not as the
// variant says, and none after it is.
func TestFailAtEveryMutation(t *testing.T) {
	for k := 1; k <= 7; k++ {
		for _, after := range []bool{false, true} {
			done := k - 1
			if after {
				done = k
			}
			want, got := machine(), machine()
			doAll(t, mutations(t, want)[:done])
			f := failing(got, k, after)
			for i, m := range mutations(t, f) {
				if err := m.do(); errors.Is(err, host.ErrInjected) != (i+1 >= k) {
					t.Errorf("k=%d after=%v: %s: %v", k, after, m.name, err)
				}
			}
			if diff := hosttest.Diff(want.Snapshot(), got.Snapshot()); diff != "" || f.Count() != k {
				t.Errorf("k=%d after=%v: count %d\n%s", k, after, f.Count(), diff)
			}
		}
	}
}

func TestFailAtInsideWriteFiles(t *testing.T) {
	for k := 1; k <= 3; k++ {
		for _, after := range []bool{false, true} {
			m := machine()
			err := failing(m, k, after).WriteFiles(t.Context(), files("/tmp/1", "/tmp/2", "/tmp/3"))
			if !errors.Is(err, host.ErrInjected) {
				t.Fatalf("k=%d: %v", k, err)
			}
			entries, err := m.ReadDir(t.Context(), "/tmp")
			if err != nil {
				t.Fatal(err)
			}
			want := k - 1
			if after {
				want = k
			}
			if len(entries) != want {
				t.Errorf("k=%d after=%v: %d files", k, after, len(entries))
			}
		}
	}
}

func TestSharedMachinesDieTogether(t *testing.T) {
	a := host.FailAt(machine(), 2)
	b := a.Share(machine())
	if err := a.WriteFiles(t.Context(), files("/tmp/x")); err != nil {
		t.Fatal(err)
	}
	for _, h := range []host.Host{b, a} {
		if err := h.Remove(t.Context(), "/tmp/x"); !errors.Is(err, host.ErrInjected) {
			t.Errorf("%v", err)
		}
	}
	if _, err := a.ReadFile(t.Context(), "/tmp/x"); err != nil {
		t.Errorf("reads leave no trace and still work: %v", err)
	}
}
