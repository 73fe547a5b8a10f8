package clusters

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
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

// under starts a load on the store and returns an API for the judge.
func under(t *testing.T, s *store) (*Load, *API) {
	t.Helper()
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	a := &API{trust: &tls.Config{InsecureSkipVerify: true}}
	open := func() *API {
		return a.At(strings.TrimPrefix(server.URL, "https://"), new(net.Dialer).DialContext, 10*time.Second)
	}
	l, err := StartLoad(context.Background(), open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l, open()
}

func TestLoadFindsNothingWrongAndTheOutage(t *testing.T) {
	t.Parallel()
	s := &store{names: map[string]bool{"kube-root-ca.crt": true}}
	l, a := under(t, s)
	ctx := t.Context()
	if err := l.Steady(ctx, time.Now(), time.Minute); err != nil {
		t.Fatal(err)
	}
	from := time.Now()
	s.set(func() { s.down = true })
	err := l.Steady(ctx, time.Now(), time.Second)
	if err == nil || !strings.Contains(err.Error(), "HTTP 503") {
		t.Fatalf("served by a server that is down: %v", err)
	}
	s.set(func() { s.down = false })
	if err := l.Steady(ctx, time.Now(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if o := l.Outage(from); o.Writes < 500*time.Millisecond || o.Reads < 500*time.Millisecond || o.Failed == 0 {
		t.Errorf("a second's outage: %s", o)
	}
	l.Stop()
	if text, err := l.Judge(ctx, a); err != nil || !strings.Contains(text, "all there at the end") {
		t.Errorf("judged %q, %v", text, err)
	}
}

func TestLoadTellsWhatIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after func(*store)
		want          string
	}{
		"acknowledged and not kept": {func(s *store) { s.forgets = true }, nil, "was acknowledged and is not there"},
		"not found at once":         {func(s *store) { s.hides = true }, nil, "a reader did not find it"},
		"not asked for":             {nil, func(s *store) { s.names["stranger"] = true }, "stranger is there and nobody wrote it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &store{names: map[string]bool{}}
			if c.before != nil {
				c.before(s)
			}
			l, a := under(t, s)
			err := Eventually(t.Context(), time.Minute, "a read", func() error {
				l.mu.Lock()
				defer l.mu.Unlock()
				for _, c := range l.clients {
					if !c.writes && len(c.successes)+len(c.failed) > 2 && l.last != "" {
						return nil
					}
				}
				return io.EOF
			})
			if err != nil {
				t.Fatal(err)
			}
			l.Stop()
			if c.after != nil {
				c.after(s)
			}
			if _, err := l.Judge(t.Context(), a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("judged: %v", err)
			}
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
