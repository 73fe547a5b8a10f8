package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// mutators are the methods that Host adds to Reader. They are found by
// reflection and not listed, so that a decorator which lets a new one through
// to what it embeds fails here.
func mutators(t *testing.T) (names []string) {
	t.Helper()
	reads := reflect.TypeFor[host.Reader]()
	for m := range methods(reflect.TypeFor[host.Host]()) {
		if _, reading := reads.MethodByName(m); !reading {
			names = append(names, m)
		}
	}
	if len(names) < 7 {
		t.Fatalf("only %v were found", names)
	}
	return names
}

func methods(of reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range of.NumMethod() {
		names[of.Method(i).Name] = true
	}
	return names
}

// call calls a method with arguments that fit its types. A type that is new
// here fails: it needs a value that makes the call a real mutation.
func call(t *testing.T, h host.Host, name string) error {
	t.Helper()
	method := reflect.ValueOf(h).MethodByName(name)
	var args []reflect.Value
	for i := range method.Type().NumIn() {
		in := method.Type().In(i)
		var arg any
		switch in {
		case reflect.TypeFor[context.Context]():
			arg = t.Context()
		case reflect.TypeFor[[]host.File]():
			arg = []host.File{{Path: "/tmp/x"}}
		case reflect.TypeFor[io.Reader]():
			arg = strings.NewReader("")
		case reflect.TypeFor[string]():
			arg = fmt.Sprintf("/tmp/%d", i)
		case reflect.TypeFor[host.Attr](), reflect.TypeFor[bool]():
			arg = reflect.Zero(in).Interface()
		case reflect.TypeFor[host.Cmd]():
			arg = host.Cmd{Args: []string{"uname", "-r"}}
		default:
			t.Fatalf("%s takes a %v: give it a value here", name, in)
		}
		args = append(args, reflect.ValueOf(arg))
	}
	results := method.Call(args)
	err, _ := results[len(results)-1].Interface().(error)
	return err
}

func TestReadOnlyRefusesEachMethodOfHost(t *testing.T) {
	for _, name := range mutators(t) {
		m := hosttest.New("m", hosttest.Options{})
		before := m.Snapshot()
		if err := call(t, host.ReadOnly(m), name); !errors.Is(err, host.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", name, err)
		}
		if diff := hosttest.Diff(before, m.Snapshot()); diff != "" {
			t.Errorf("%s changed:\n%s", name, diff)
		}
	}
}

func TestReadOnlyNamesWhatItRefused(t *testing.T) {
	h := host.ReadOnly(hosttest.New("m", hosttest.Options{}))
	for name, want := range map[string]string{
		"WriteFiles": "write /tmp/x", "Rename": "rename /tmp/1", "Upload": "upload /tmp/1", "Mkdir": "make directory /tmp/1",
		"Link": "link /tmp/1", "Remove": "remove /tmp/1", "Run": "run uname -r",
	} {
		if err := call(t, h, name); err == nil || err.Error() != want+": host is read-only" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := h.WriteFiles(t.Context(), nil); err != nil {
		t.Errorf("to write no file is no mutation: %v", err)
	}
}

func TestRecordHasOneEntryForEachMethodOfHost(t *testing.T) {
	for _, name := range mutators(t) {
		var log host.Log
		err := call(t, host.Record(hosttest.New("m", hosttest.Options{}), &log), name)
		entries := log.Mutations()
		if len(entries) != 1 {
			t.Errorf("%s: %d entries", name, len(entries))
			continue
		}
		if e := entries[0]; e.Host != "m" || e.Op == "" || !errors.Is(e.Err, err) || len(e.Paths)+len(e.Args) == 0 {
			t.Errorf("%s: recorded as %+v, returned %v", name, e, err)
		}
	}
}

func TestFailAtStopsEachMethodOfHost(t *testing.T) {
	for _, name := range mutators(t) {
		m := hosttest.New("m", hosttest.Options{})
		before := m.Snapshot()
		f := host.FailAt(m, 1)
		for range 2 {
			if err := call(t, f, name); !errors.Is(err, host.ErrInjected) {
				t.Errorf("%s: %v, want ErrInjected", name, err)
			}
		}
		if diff := hosttest.Diff(before, m.Snapshot()); diff != "" || f.Count() != 1 {
			t.Errorf("%s: count %d, changed:\n%s", name, f.Count(), diff)
		}
	}
}

// wide has every method there is: of Host, of Dialer and one more.
type wide struct{ *hosttest.Machine }

func (wide) DialHost(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("dialled")
}

func TestReaderHasTheMethodsOfReaderAlone(t *testing.T) {
	r := host.AsReader(wide{hosttest.New("m", hosttest.Options{})})
	want := methods(reflect.TypeFor[host.Reader]())
	have := methods(reflect.TypeOf(r))
	for name := range have {
		if !want[name] {
			t.Errorf("%s is within reach", name)
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d methods, want %d", len(have), len(want))
	}
	inner := reflect.ValueOf(r).Field(0)
	if inner.CanInterface() {
		t.Error("reflection gets at the host inside")
	}
}

func TestDecoratorsDialThroughAHostThatCan(t *testing.T) {
	w := wide{hosttest.New("m", hosttest.Options{})}
	for name, d := range map[string]host.Host{"Record": host.Record(w, &host.Log{}), "FailAt": host.FailAt(w, 1)} {
		if _, err := d.(host.Dialer).DialHost(t.Context(), "tcp", "x:1"); err == nil || err.Error() != "dialled" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a log is printed as, no content, stdin, environment or secret of a
// command is in it.
func TestLogHoldsNothingSecret(t *testing.T) {
	const canary = "abcdef.0123456789abcdef"
	var log host.Log
	h := host.Record(hosttest.New("m", hosttest.Options{}), &log)
	ctx := t.Context()
	cmd := host.Cmd{Args: []string{"uname", "-r"}, Stdin: []byte(canary), Env: []string{"TOKEN=" + canary},
		Secrets: []secret.String{secret.NewString(canary)}}
	refused := cmd
	refused.Args = []string{"uname", "-r", "--token=" + canary}
	_ = h.WriteFiles(ctx, []host.File{{Path: "/tmp/x", Content: []byte(canary)}})
	_ = h.Upload(ctx, "/tmp/y", strings.NewReader(canary), host.Attr{}, "")
	_, _ = h.Run(ctx, cmd)
	_, _ = h.Query(ctx, cmd)
	if _, err := h.Run(ctx, refused); !errors.Is(err, host.ErrSecretInArgs) {
		t.Errorf("%v, want ErrSecretInArgs", err)
	}
	if _, err := h.Query(ctx, refused); !errors.Is(err, host.ErrSecretInArgs) {
		t.Errorf("%v, want ErrSecretInArgs", err)
	}
	entries := log.Entries()
	if len(entries) != 6 {
		t.Fatalf("%d entries", len(entries))
	}
	for _, e := range entries {
		if shown := fmt.Sprintf("%+v %v %v", e, e.Paths, e.Args); strings.Contains(shown, canary) {
			t.Errorf("the log shows the secret: %s", shown)
		}
	}
	if shown := fmt.Sprint(log.String(), log.Argv()); strings.Contains(shown, canary) {
		t.Errorf("the log shows the secret:\n%s", shown)
	}
	if got := entries[4].Args; got[0] != "uname" || got[2] != "--token=[redacted]" {
		t.Errorf("a refused command is recorded as %q", got)
	}
}

func TestLogIsACopy(t *testing.T) {
	var log host.Log
	h := host.Record(hosttest.New("m", hosttest.Options{}), &log)
	cmd := host.Cmd{Args: []string{"uname", "-r"}}
	if _, err := h.Run(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	cmd.Args[1] = "-a"
	log.Entries()[0].Op = "x"
	if log.String() != "run uname -r\n" {
		t.Errorf("the log was changed from outside: %s", log.String())
	}
}

// A process that drives several machines at once has one count and one death.
func TestDecoratorsAreSafeForConcurrentUse(t *testing.T) {
	var log host.Log
	first := host.FailAt(host.Record(hosttest.New("0", hosttest.Options{}), &log), 20)
	machines := []host.Host{first}
	for i := 1; i < 4; i++ {
		machines = append(machines, first.Share(host.Record(hosttest.New(fmt.Sprint(i), hosttest.Options{}), &log)))
	}
	injected := make(chan int)
	for _, h := range machines {
		go func() {
			n := 0
			for i := range 10 {
				if errors.Is(h.Mkdir(t.Context(), fmt.Sprintf("/tmp/%d", i), host.Attr{Mode: 0o700}), host.ErrInjected) {
					n++
				}
			}
			injected <- n
		}()
	}
	refused := 0
	for range machines {
		refused += <-injected
	}
	if refused != 21 || first.Count() != 20 || len(log.Mutations()) != 19 {
		t.Errorf("%d refused, count %d, %d done; want 21, 20, 19", refused, first.Count(), len(log.Mutations()))
	}
}

// The death may fall inside a list that is not the first.
func TestFailInsideALaterList(t *testing.T) {
	for k := 1; k <= 6; k++ {
		for _, after := range []bool{false, true} {
			m := hosttest.New("m", hosttest.Options{})
			f := failing(m, k, after)
			first := f.WriteFiles(t.Context(), files("/tmp/1", "/tmp/2"))
			second := f.WriteFiles(t.Context(), files("/tmp/3", "/tmp/4", "/tmp/5", "/tmp/6"))
			if errors.Is(first, host.ErrInjected) != (k <= 2) || !errors.Is(second, host.ErrInjected) {
				t.Errorf("k=%d after=%v: %v, %v", k, after, first, second)
			}
			want := k - 1
			if after {
				want = k
			}
			for i := 1; i <= 6; i++ {
				if _, there := m.Content(fmt.Sprintf("/tmp/%d", i)); there != (i <= want) {
					t.Errorf("k=%d after=%v: file %d is there: %v", k, after, i, there)
				}
			}
			if f.Count() != k {
				t.Errorf("k=%d after=%v: count %d", k, after, f.Count())
			}
		}
	}
}

// What a dead process did not hear of includes what its last command printed.
func TestFailAfterRunHasDoneItSilently(t *testing.T) {
	m := hosttest.New("m", hosttest.Options{})
	ran := 0
	m.AddProgram("tool", func(*hosttest.Machine, host.Cmd) (host.Result, error) {
		ran++
		return host.Result{Stdout: []byte("out")}, nil
	})
	f := host.FailAfter(m, 1)
	for range 2 {
		res, err := f.Run(t.Context(), host.Cmd{Args: []string{"tool"}})
		if !errors.Is(err, host.ErrInjected) || len(res.Stdout) > 0 || ran != 1 {
			t.Errorf("ran %d times, printed %q, %v", ran, res.Stdout, err)
		}
	}
}

func TestFailingPassesOnOtherErrors(t *testing.T) {
	f := host.FailAt(hosttest.New("m", hosttest.Options{}), 3)
	if err := f.Rename(t.Context(), "/none", "/x", false); err == nil || errors.Is(err, host.ErrInjected) {
		t.Errorf("%v", err)
	}
	if err := f.WriteFiles(t.Context(), nil); err != nil || f.Count() != 1 {
		t.Errorf("an empty list counts: %d, %v", f.Count(), err)
	}
}
