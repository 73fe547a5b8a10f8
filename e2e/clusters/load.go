package clusters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// loadClients is how many writers there are, and readers: a balancer is
	// likely to give each API server one of them.
	loadClients = 2
	// loadEvery is how often each of them asks, so no outage is told finer.
	loadEvery = 100 * time.Millisecond
	// LoadTimeout is when a client gives up a request and makes a new connection.
	LoadTimeout = 2 * time.Second

	loadNamespace = "clusteradm-load"
	loadObjects   = "/api/v1/namespaces/" + loadNamespace + "/configmaps"
)

// Load is writers and readers that go on whatever happens to the cluster. A
// writer makes numbered objects and remembers those that the API server said it
// has; a reader asks for the one that was said to be there last. What was
// acknowledged and is not there is a lost write.
type Load struct {
	stop context.CancelFunc
	done sync.WaitGroup

	mu      sync.Mutex
	asked   map[string]bool // all that was sent; what got no answer may be there or not
	acked   map[string]bool
	last    string // the object that was acknowledged last
	lost    []string
	clients []*loadClient
}

// loadClient is what one client saw.
type loadClient struct {
	writes    bool
	successes []time.Time // when the answer had come
	row       []time.Time // when those in a row since the last failure were asked
	failed    []failure
}

type failure struct {
	at  time.Time
	err error
}

// StartLoad begins to write and to read. open makes a client with connections
// of its own to the address that is tested.
func StartLoad(ctx context.Context, open func() *API) (*Load, error) {
	first := open()
	defer first.Close()
	err := first.Create(ctx, "/api/v1/namespaces", fmt.Appendf(nil, `{"metadata":{"name":%q}}`, loadNamespace))
	if status := (*StatusError)(nil); err != nil && (!errors.As(err, &status) || status.Code != http.StatusConflict) {
		return nil, fmt.Errorf("start load: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{stop: cancel, asked: map[string]bool{}, acked: map[string]bool{}}
	run := time.Now().UTC().Format("150405")
	for i := range loadClients {
		writer, reader := &loadClient{writes: true}, &loadClient{}
		l.clients = append(l.clients, writer, reader)
		l.done.Go(func() {
			l.run(ctx, writer, open(), func(a *API, n int) error { return l.write(ctx, a, fmt.Sprintf("w%d-%s-%06d", i, run, n)) })
		})
		l.done.Go(func() { l.run(ctx, reader, open(), func(a *API, _ int) error { return l.read(ctx, a) }) })
	}
	return l, nil
}

// run asks at every tick until the load is stopped.
func (l *Load) run(ctx context.Context, c *loadClient, a *API, ask func(*API, int) error) {
	defer a.Close()
	ticker := time.NewTicker(loadEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		err := ask(a, n)
		if ctx.Err() != nil {
			return // the request was cut off by the end of the test
		}
		l.mu.Lock()
		if err == nil {
			c.successes = append(c.successes, time.Now())
			c.row = append(c.row[max(0, len(c.row)+1-steady):], asked)
		} else {
			c.row = nil
			c.failed = append(c.failed, failure{time.Now(), err})
		}
		l.mu.Unlock()
	}
}

func (l *Load) write(ctx context.Context, a *API, name string) error {
	l.mu.Lock()
	l.asked[name] = true
	l.mu.Unlock()
	err := a.Create(ctx, loadObjects, fmt.Appendf(nil, `{"metadata":{"name":%q},"data":{"name":%q}}`, name, name))
	if err == nil {
		l.mu.Lock()
		l.acked[name], l.last = true, name
		l.mu.Unlock()
	}
	return err
}

func (l *Load) read(ctx context.Context, a *API) error {
	l.mu.Lock()
	name := l.last
	l.mu.Unlock()
	if name == "" {
		return nil
	}
	_, err := a.Get(ctx, loadObjects+"/"+name)
	if status := (*StatusError)(nil); errors.As(err, &status) && status.Code == http.StatusNotFound {
		l.mu.Lock()
		l.lost = append(l.lost, name+" was acknowledged, and a reader did not find it")
		l.mu.Unlock()
	}
	return err
}

// steady is how many answers in a row say that a client is served again.
const steady = 10

// Steady waits until every client was served several times in a row, asking
// after the moment given.
func (l *Load) Steady(ctx context.Context, since time.Time, within time.Duration) error {
	return Eventually(ctx, within, "all writers and readers to be served", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, c := range l.clients {
			n := 0
			for _, at := range c.row {
				if at.After(since) {
					n++
				}
			}
			if n < steady {
				last := "it was not asked yet"
				if len(c.failed) > 0 {
					last = c.failed[len(c.failed)-1].err.Error()
				}
				return fmt.Errorf("client %d was served %d times, last failure: %s", i, n, last)
			}
		}
		return nil
	})
}

// Outage is the longest time between two answers that any client saw.
type Outage struct {
	Writes, Reads time.Duration
	Failed        int // requests, since the moment
}

func (o Outage) String() string {
	return fmt.Sprintf("unavailable for at most %.1f s to writers and %.1f s to readers (%d requests failed)", o.Writes.Seconds(), o.Reads.Seconds(), o.Failed)
}

// Outage tells of the time from a moment until now. Times between answers that
// are as short as the ticks are no outage.
func (l *Load) Outage(from time.Time) Outage {
	l.mu.Lock()
	defer l.mu.Unlock()
	var o Outage
	now := time.Now()
	for _, c := range l.clients {
		longest := gap(c.successes, from, now)
		if longest < 2*loadEvery {
			longest = 0
		}
		if c.writes {
			o.Writes = max(o.Writes, longest)
		} else {
			o.Reads = max(o.Reads, longest)
		}
		for _, f := range c.failed {
			if f.at.After(from) {
				o.Failed++
			}
		}
	}
	return o
}

// gap is the longest time between moments, of those that end after from; the
// last one ends now.
func gap(moments []time.Time, from, now time.Time) time.Duration {
	i, found := slices.BinarySearchFunc(moments, from, time.Time.Compare)
	if found {
		i++
	}
	last := from
	if i > 0 {
		last = moments[i-1]
	}
	var longest time.Duration
	for _, at := range append(slices.Clone(moments[i:]), now) {
		longest = max(longest, at.Sub(last))
		last = at
	}
	return longest
}

// Stop ends the load.
func (l *Load) Stop() {
	l.stop()
	l.done.Wait()
}

// Judge compares, after Stop, what was acknowledged with what is there, and
// says how much that was. What is there and was never asked for is wrong too.
func (l *Load) Judge(ctx context.Context, a *API) (string, error) {
	body, err := a.Get(ctx, loadObjects)
	if err != nil {
		return "", fmt.Errorf("judge load: %w", err)
	}
	var list struct {
		Items []struct{ Metadata struct{ Name string } }
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return "", fmt.Errorf("judge load: %w", err)
	}
	there := map[string]bool{}
	wrong := slices.Clone(l.lost)
	for _, o := range list.Items {
		name := o.Metadata.Name
		there[name] = true
		if !l.asked[name] && name != "kube-root-ca.crt" {
			wrong = append(wrong, name+" is there and nobody wrote it")
		}
	}
	for name := range l.acked {
		if !there[name] {
			wrong = append(wrong, name+" was acknowledged and is not there")
		}
	}
	reads := 0
	for _, c := range l.clients {
		if !c.writes {
			reads += len(c.successes)
		}
	}
	if len(l.acked) == 0 || reads == 0 {
		wrong = append(wrong, "nothing was written and read at all")
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return "", fmt.Errorf("judge load: %s", strings.Join(wrong, "; "))
	}
	return fmt.Sprintf("%d writes acknowledged, all there at the end; %d reads, none missed the write before it", len(l.acked), reads), nil
}
