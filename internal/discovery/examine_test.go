package discovery

import (
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// accepting is a balancer of TCP that has nobody to hand a connection on to.
func accepting(t *testing.T, then func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() }) // and none is closed as garbage before
			go then(conn)
		}
	}()
	return listener.Addr().String()
}

// What answers in place of an API server is told apart, with what it says.
func TestNobodyBehindTheEndpoint(t *testing.T) {
	ca := usualAuthority(t)
	page := func(code int, kind, text string) string {
		s := site(t, ca.usual(t), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Server", "balancer/1.0")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
		})
		return strings.TrimPrefix(s.URL, "https://")
	}
	for name, c := range map[string]struct {
		endpoint string
		want     Reason
		says     string
	}{
		"closes": {accepting(t, func(c net.Conn) { c.Close() }), ErrNoBackend, "takes the connection and "},
		"reads and closes": {accepting(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 4096))
			c.Close()
		}), ErrNoBackend, "takes the connection and closes it without an answer (EOF)"},
		"is silent":        {accepting(t, func(net.Conn) {}), ErrNoBackend, "takes the connection and is silent then"},
		"gateway":          {page(503, "text/html", "<html><body><h1>503 Service Unavailable</h1>\nNo server is available.</body></html>"), ErrNoBackend, `HTTP 503 from "balancer/1.0": "503 Service Unavailable No server is available."`},
		"another gateway":  {page(502, "text/plain", "no healthy upstream"), ErrNoBackend, "no healthy upstream"},
		"a web server":     {page(404, "text/html; charset=utf-8", "<p>Not Found</p>"), ErrNotAPIServer, `HTTP 404 from "balancer/1.0": "Not Found"`},
		"another server":   {page(404, "text/plain; charset=utf-8", "404 page not found"), ErrNotAPIServer, "404 page not found"},
		"an API server":    {page(503, "application/json", `{"kind":"Status","code":503}`), ErrNoClusterInfo, "HTTP 503"},
		"of another sort":  {page(429, "text/plain", "too many requests"), ErrNoClusterInfo, "HTTP 429"},
		"nothing listens":  {"127.0.0.1:1", ErrUnreachable, "connection refused"},
		"no such endpoint": {"nonsense", ErrInvalid, "host:port"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := shortPatience()
			if name == "is silent" { // to the end
				limits.connect = time.Second
			}
			o := options(c.endpoint, Pin(ca.cert))
			if got := examine(t.Context(), o, nil, limits).Err; !errors.Is(got, c.want) || !strings.Contains(got.Error(), c.says) {
				t.Errorf("a look says %v", got)
			}
			if c.want == ErrInvalid {
				return
			}
			_, err := discover(t.Context(), o, limits)
			checkFailure(t, Info{}, err, c.want)
		})
	}
}

// Everything that is wrong is seen in one look.
func TestExamine(t *testing.T) {
	ca, other := usualAuthority(t), usualAuthority(t)
	signed, unsigned := clusterInfoData(t, ca.pem, canary), clusterInfoData(t, ca.pem, "")
	unsigned[signaturePrefix+"zzzzzz"] = "x"
	now, day := time.Now(), 24*time.Hour
	usual := ca.usual(t)
	for name, c := range map[string]struct {
		server    *apiServer
		pins      []string
		now       time.Time
		signature Signature
		trusted   bool
		pin       error
		untrusted error
		clock     error
	}{
		"all is well":          {newAPIServer(t, usual, always(signed)), []string{Pin(ca.cert)}, now, Right, true, nil, nil, nil},
		"wrong pin, signed":    {newAPIServer(t, usual, always(signed)), []string{Pin(other.cert)}, now, Right, false, ErrPin, nil, nil},
		"signed for others":    {newAPIServer(t, usual, always(unsigned)), []string{Pin(ca.cert)}, now, Absent, true, nil, nil, nil},
		"wrong secret":         {newAPIServer(t, usual, always(clusterInfoData(t, ca.pem, "fedcba9876543210"))), []string{Pin(ca.cert)}, now, Wrong, true, nil, nil, nil},
		"no pin, signed":       {newAPIServer(t, usual, always(signed)), nil, now, Right, true, nil, nil, nil},
		"no pin, not signed":   {newAPIServer(t, usual, always(unsigned)), nil, now, Absent, false, nil, nil, nil},
		"man in the middle":    {newAPIServer(t, other.usual(t), always(signed)), []string{Pin(ca.cert)}, now, Right, true, nil, ErrUntrusted, nil},
		"authority to come":    {newAPIServer(t, usual, always(signed)), []string{Pin(ca.cert)}, now.Add(-day), Right, true, nil, nil, ErrClock},
		"of another authority": {newAPIServer(t, usual, always(signed)), []string{Pin(other.cert)}, now.Add(-day), Right, false, ErrPin, nil, ErrClock},
		"certificate to come":  {newAPIServer(t, ca.issue(t, "127.0.0.1", now.Add(day), now.Add(2*day)), always(signed)), []string{Pin(ca.cert)}, now, Right, true, nil, nil, ErrClock},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(endpointOf(c.server), c.pins...)
			o.UnsafeSkipCAVerification = len(c.pins) == 0
			o.Now = func() time.Time { return c.now }
			s := examine(t.Context(), o, nil, shortPatience())
			if s.Err != nil || s.Date.IsZero() || s.Took <= 0 || !slices.Equal(s.Pins, []string{Pin(ca.cert)}) {
				t.Errorf("sight %+v", s)
			}
			if s.Signature != c.signature || len(s.Trusted) > 0 != c.trusted || !errors.Is(s.PinErr, c.pin) || !errors.Is(s.ServerErr, c.untrusted) || !errors.Is(s.ClockErr, c.clock) {
				t.Errorf("signature %s, trusted %q, pin %v, server %v, clock %v", s.Signature, s.Trusted, s.PinErr, s.ServerErr, s.ClockErr)
			}
			if !s.Seen.Equal(c.now) {
				t.Errorf("seen at %s, not %s", s.Seen, c.now)
			}
		})
	}
	if s := examine(t.Context(), options(endpointOf(newAPIServer(t, usual, always(nil))), Pin(ca.cert)), nil, shortPatience()); !errors.Is(s.Err, ErrMalformed) {
		t.Errorf("a broken cluster-info: %v", s.Err)
	}
}

// Of a cluster that is known it does not matter what anonymous may read.
func TestExamineOfAKnownCluster(t *testing.T) {
	ca, other := usualAuthority(t), usualAuthority(t)
	server := newAPIServer(t, ca.usual(t), func(int) (int, map[string]string) { return http.StatusForbidden, nil })
	for _, c := range []struct {
		ca   []byte
		want error
	}{{ca.pem, nil}, {other.pem, ErrUntrusted}} {
		s := examine(t.Context(), Options{}, &Info{Server: "https://" + endpointOf(server), CA: c.ca}, shortPatience())
		if s.Err != nil || string(s.Trusted) != string(c.ca) || !errors.Is(s.ServerErr, c.want) {
			t.Errorf("%+v", s)
		}
	}
	if s := examine(t.Context(), Options{}, &Info{}, shortPatience()); !errors.Is(s.Err, ErrMalformed) {
		t.Errorf("no server: %v", s.Err)
	}
}
