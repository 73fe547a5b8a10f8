package clusters

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// store is an API server that keeps names, and can be made to misbehave.
type store struct {
	mu      sync.Mutex
	names   map[string]bool
	down    bool
	forgets bool // acknowledges and does not keep
	hides   bool // does not find, although it lists
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := strings.TrimPrefix(r.URL.Path, loadObjects+"/")
	switch {
	case s.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPost:
		var o struct{ Metadata struct{ Name string } }
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &o)
		if !s.forgets && o.Metadata.Name != loadNamespace {
			s.names[o.Metadata.Name] = true
		}
		w.WriteHeader(http.StatusCreated)
	case r.URL.Path == loadObjects:
		var list struct{ Items []map[string]any }
		for name := range s.names {
			list.Items = append(list.Items, map[string]any{"metadata": map[string]any{"name": name}})
		}
		_ = json.NewEncoder(w).Encode(list)
	case s.hides || !s.names[name]:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *store) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// RoundTrip is a connection to the store: time passes only where the test's
// clients wait.
func (s *store) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

// under starts a load on the store and returns an API for the judge.
func under(t *testing.T, s *store) (*Load, *API) {
	t.Helper()
	open := func() *API { return &API{server: "https://store", client: &http.Client{Transport: s}} }
	l, err := StartLoad(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l, open()
}

func TestLoadFindsNothingWrongAndTheOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{names: map[string]bool{"kube-root-ca.crt": true}}
		l, a := under(t, s)
		ctx := t.Context()
		if err := l.Steady(ctx, time.Now(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if o := l.Outage(time.Now()); o != (Outage{}) {
			t.Errorf("nothing happened: %s", o)
		}
		from := time.Now()
		s.set(func() { s.down = true })
		err := l.Steady(ctx, from, 5*time.Second)
		if err == nil || !strings.Contains(err.Error(), "HTTP 503") {
			t.Fatalf("served by a server that is down: %v", err)
		}
		s.set(func() { s.down = false })
		if err := l.Steady(ctx, time.Now(), time.Minute); err != nil {
			t.Fatal(err)
		}
		o := l.Outage(from)
		for _, longest := range []time.Duration{o.Writes, o.Reads} {
			if longest < 5*time.Second || longest > 5*time.Second+2*loadEvery {
				t.Errorf("an outage of five seconds: %s", o)
			}
		}
		if o.Failed < 40*2*loadClients {
			t.Errorf("%d requests failed", o.Failed)
		}
		l.Stop()
		if text, err := l.Judge(ctx, a); err != nil || !strings.Contains(text, "all there at the end") {
			t.Errorf("judged %q, %v", text, err)
		}
	})
}

func TestLoadTellsWhatIsLost(t *testing.T) {
	for name, c := range map[string]struct {
		before, after func(*store)
		want          string
	}{
		"acknowledged and not kept": {func(s *store) { s.forgets = true }, nil, "was acknowledged and is not there"},
		"not found at once":         {func(s *store) { s.hides = true }, nil, "a reader did not find it"},
		"not asked for":             {nil, func(s *store) { s.names["stranger"] = true }, "stranger is there and nobody wrote it"},
		"nothing was ever served":   {func(s *store) { s.down = true }, func(s *store) { s.down = false }, "nothing was written and read at all"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &store{names: map[string]bool{}}
				l, a := under(t, s)
				if c.before != nil {
					s.set(func() { c.before(s) })
				}
				time.Sleep(time.Second) // of the bubble's clock
				l.Stop()
				if c.after != nil {
					c.after(s)
				}
				if _, err := l.Judge(t.Context(), a); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("judged: %v", err)
				}
			})
		})
	}
}

func TestGap(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	moments := []time.Time{at(1), at(2), at(9), at(10), at(12)}
	for _, c := range []struct{ from, now, want int }{
		{3, 13, 7},  // begun before and ended in the window
		{9, 13, 2},  // not the gap that ended when it began
		{11, 20, 8}, // still going on
		{12, 12, 0},
	} {
		if got := gap(moments, at(c.from), at(c.now)); got != time.Duration(c.want)*time.Second {
			t.Errorf("from %d to %d: %s, want %d s", c.from, c.now, got, c.want)
		}
	}
	if got := gap(nil, at(1), at(4)); got != 3*time.Second {
		t.Errorf("no moment: %s", got)
	}
}
