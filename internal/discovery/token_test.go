package discovery

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTokenFindsTheCluster(t *testing.T) {
	ca := usualAuthority(t)
	data := clusterInfoData(t, ca.pem, canary)
	server := newAPIServer(t, ca.usual(t), always(data))
	info, err := discover(t.Context(), options(endpointOf(server), strings.ToUpper("sha256:")+strings.ToUpper(Pin(ca.cert)[7:])), shortPatience())
	if err != nil {
		t.Fatal(err)
	}
	if info.Server != "https://cluster.test:6443" || string(info.CA) != string(ca.pem) || info.ClusterName != "kubernetes" ||
		string(info.Kubeconfig.Reveal()) != data[kubeconfigKey] || info.HasCredentials() {
		t.Errorf("info = %+v", info)
	}
	if server.count() != 2 {
		t.Errorf("%d requests, want 2", server.count())
	}
}

func TestTokenWithoutPinNeedsOneRequest(t *testing.T) {
	ca := usualAuthority(t)
	server := newAPIServer(t, ca.usual(t), always(clusterInfoData(t, ca.pem, canary)))
	o := options(endpointOf(server))
	o.UnsafeSkipCAVerification = true
	if _, err := discover(t.Context(), o, shortPatience()); err != nil || server.count() != 1 {
		t.Errorf("discover = %v after %d requests", err, server.count())
	}
}

// What waiting cannot cure ends discovery at once, under its own reason.
func TestFinalFailures(t *testing.T) {
	ca, other := usualAuthority(t), usualAuthority(t)
	signed := clusterInfoData(t, ca.pem, canary)
	changed := maps.Clone(signed)
	changed[kubeconfigKey] += "\n"
	bundle := clusterInfoData(t, append(append([]byte(nil), ca.pem...), other.pem...), canary)
	now, day := time.Now(), 24*time.Hour
	usual := ca.usual(t)
	for _, c := range []struct {
		name     string
		server   *apiServer
		pin      string
		now      time.Time
		want     Reason
		mentions string
		requests int
	}{
		{"wrong pin", newAPIServer(t, usual, always(signed)), Pin(other.cert), now, ErrPin, Pin(ca.cert), 1},
		{"wrong pin and not signed", newAPIServer(t, usual, always(clusterInfoData(t, ca.pem, ""))), Pin(other.cert), now, ErrPin, Pin(ca.cert), 1},
		{"wrong secret", newAPIServer(t, usual, always(clusterInfoData(t, ca.pem, "fedcba9876543210"))), Pin(ca.cert), now, ErrSignature, id, 1},
		{"content changed under the signature", newAPIServer(t, usual, always(changed)), Pin(ca.cert), now, ErrSignature, id, 1},
		{"changed between the reads", newAPIServer(t, usual, func(n int) (int, map[string]string) {
			if n == 1 {
				return http.StatusOK, signed
			}
			return http.StatusOK, changed
		}), Pin(ca.cert), now, ErrChanged, "", 2},
		{"man in the middle passes cluster-info on", newAPIServer(t, other.usual(t), always(signed)), Pin(ca.cert), now, ErrUntrusted, "", 1},
		{"man in the middle whose CA is in the bundle", newAPIServer(t, other.usual(t), always(bundle)), Pin(ca.cert), now, ErrUntrusted, "", 1},
		{"man in the middle with its own CA", newAPIServer(t, other.usual(t), always(clusterInfoData(t, other.pem, "fedcba9876543210"))), Pin(ca.cert), now, ErrPin, "", 1},
		{"name not in the certificate", newAPIServer(t, ca.issue(t, "192.0.2.1", now.Add(-day), now.Add(day)), always(signed)), Pin(ca.cert), now, ErrUntrusted, "127.0.0.1", 1},
		{"server certificate expired", newAPIServer(t, ca.issue(t, "127.0.0.1", now.Add(-day), now.Add(-time.Minute)), always(signed)), Pin(ca.cert), now, ErrClock, "expired on", 1},
		{"server certificate not yet valid", newAPIServer(t, ca.issue(t, "127.0.0.1", now.Add(time.Minute), now.Add(day)), always(signed)), Pin(ca.cert), now, ErrClock, "is not valid before", 1},
		{"clock behind", newAPIServer(t, usual, always(signed)), Pin(ca.cert), now.Add(-365 * day), ErrClock, "cluster CA", 1},
		{"clock ahead", newAPIServer(t, usual, always(signed)), Pin(ca.cert), now.Add(365 * day), ErrClock, "expired on", 1},
		{"no kubeconfig", newAPIServer(t, usual, always(nil)), Pin(ca.cert), now, ErrMalformed, "", 1},
		{"broken kubeconfig", newAPIServer(t, usual, always(map[string]string{kubeconfigKey: "clusters: {"})), Pin(ca.cert), now, ErrMalformed, "", 1},
		{"no CA in it", newAPIServer(t, usual, always(clusterInfoData(t, nil, canary))), Pin(ca.cert), now, ErrMalformed, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(endpointOf(c.server), c.pin)
			o.Now = func() time.Time { return c.now }
			info, err := discover(t.Context(), o, shortPatience())
			checkFailure(t, info, err, c.want)
			if !strings.Contains(fmt.Sprint(err), c.mentions) {
				t.Errorf("error %q does not mention %q", err, c.mentions)
			}
			if c.server.count() != c.requests {
				t.Errorf("took %d requests, want %d", c.server.count(), c.requests)
			}
		})
	}
}

func checkFailure(t *testing.T, _ Info, err error, want Reason) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error = %v, want %v", err, want)
	}
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || hinted.Hint() != want.Hint() || want.Hint() == "" {
		t.Errorf("hint of %v is missing", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), canary) {
		t.Errorf("error shows the token: %v", err)
	}
}

// A token that the cluster does not have is told from a cluster that signs for
// none.
func TestUnsignedIsGivenUpSoon(t *testing.T) {
	ca := usualAuthority(t)
	none, others := clusterInfoData(t, ca.pem, ""), clusterInfoData(t, ca.pem, "")
	others[signaturePrefix+"zzzzzz"] = "x"
	for _, c := range []struct {
		data    map[string]string
		want    Reason
		timeout time.Duration
		made    time.Duration // ago
	}{
		{none, ErrNoSignature, 0, time.Hour},
		{others, ErrUnsigned, 0, time.Hour},
		{others, ErrUnsigned, 0, 0},         // young, and its signer works
		{others, ErrUnsigned, time.Hour, 0}, // told to wait, and its signer works
	} {
		server := newAPIServer(t, ca.usual(t), always(c.data))
		server.created = time.Now().Add(-c.made)
		o := options(endpointOf(server), Pin(ca.cert))
		o.Timeout = c.timeout
		start := time.Now()
		info, err := discover(t.Context(), o, shortPatience())
		checkFailure(t, info, err, c.want)
		if took := time.Since(start); took < 50*time.Millisecond || took > 30*time.Second {
			t.Errorf("%s: took %s", c.want, took)
		}
	}
	if !strings.Contains(ErrUnsigned.Hint(), "clusteradm token create --print-join-command") {
		t.Errorf("hint = %q", ErrUnsigned.Hint())
	}
}

// Each kind of no connection ends soon, with its own words and way on.
func TestUnreachableSaysHow(t *testing.T) {
	refused := func(errno syscall.Errno) dial {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
		}
	}
	for name, c := range map[string]struct {
		dial       dial
		says, hint string
	}{
		"refused":    {refused(syscall.ECONNREFUSED), "connection refused: nothing listens at 192.0.2.1:6443", "on a control plane run: ss -ltn 'sport = :6443'"},
		"no route":   {refused(syscall.EHOSTUNREACH), "no route to 192.0.2.1", "ip route get 192.0.2.1"},
		"black hole": {func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }, "no answer from 192.0.2.1:6443", "nc -vz 192.0.2.1 6443"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options("192.0.2.1:6443", Pin(usualAuthority(t).cert))
			o.Dial = c.dial
			short := shortPatience()
			short.connect = short.passing
			_, err := discover(t.Context(), o, short)
			var how *connectError
			if !errors.Is(err, ErrUnreachable) || !errors.As(err, &how) || !strings.Contains(err.Error(), c.says) || !strings.Contains(how.Hint(), c.hint) {
				t.Errorf("error = %v", err)
			}
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	_, err := discover(t.Context(), options(strings.TrimPrefix(server.URL, "http://"), Pin(usualAuthority(t).cert)), shortPatience())
	if !errors.Is(err, ErrNotAPIServer) || !strings.Contains(err.Error(), "speaks no TLS") {
		t.Errorf("a server without TLS: %v", err)
	}
}

// All that a user waits for is bounded, unless told otherwise.
func TestUsualPatienceEndsWithinThreeSeconds(t *testing.T) {
	if p := usualPatience(); p.passing >= 3*time.Second || p.connect >= 3*time.Second {
		t.Errorf("patience is %+v", p)
	}
}

func TestClocksAreCompared(t *testing.T) {
	wrong := fmt.Errorf("x: %w", ErrClock)
	now := time.Date(2026, 11, 27, 6, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err    error
		server time.Time
		want   string
	}{
		{wrong, now.Add(-time.Hour), "; the API server's clock says 2026-11-27T05:00:00Z"},
		{wrong, now.Add(time.Second), "; the API server's clock says the same"},
		{wrong, time.Time{}, ErrClock.Error()},
		{ErrPin, now.Add(time.Hour), ErrPin.Error()},
	} {
		if got := compareClocks(c.err, now, c.server); !strings.HasSuffix(got.Error(), c.want) || !errors.Is(got, c.err) {
			t.Errorf("%v", got)
		}
	}
}

func TestUnsignedIsWaitedForInAYoungCluster(t *testing.T) {
	ca := usualAuthority(t)
	unsigned, signed := clusterInfoData(t, ca.pem, ""), clusterInfoData(t, ca.pem, canary)
	for name, edit := range map[string]func(*apiServer, *Options){
		"young": func(s *apiServer, _ *Options) { s.created = time.Now() },
		"told":  func(_ *apiServer, o *Options) { o.Timeout = 10 * time.Second },
	} {
		start := time.Now()
		server := newAPIServer(t, ca.usual(t), func(int) (int, map[string]string) {
			if time.Since(start) < 600*time.Millisecond {
				return http.StatusOK, unsigned
			}
			return http.StatusOK, signed
		})
		o := options(endpointOf(server), Pin(ca.cert))
		edit(server, &o)
		if _, err := discover(t.Context(), o, shortPatience()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that comes up: nothing listens, then it is not ready, then
// cluster-info is not there, then not signed, then all is well.
func TestWaitsForTheServerAndSaysSo(t *testing.T) {
	ca := usualAuthority(t)
	unsigned, signed := clusterInfoData(t, ca.pem, ""), clusterInfoData(t, ca.pem, canary)
	server := newAPIServer(t, ca.usual(t), func(n int) (int, map[string]string) {
		switch n {
		case 1:
			return http.StatusServiceUnavailable, nil
		case 2, 3:
			return http.StatusForbidden, nil
		case 4:
			return http.StatusOK, unsigned
		case 6: // the second, secure read
			return http.StatusServiceUnavailable, nil
		}
		return http.StatusOK, signed
	})
	o := options(endpointOf(server), Pin(ca.cert))
	o.Timeout = 10 * time.Second
	dials := 0
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials++; dials <= 3 {
			addr = "127.0.0.1:1" // nobody is there
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	var waits []string
	o.Waiting = func(what string) { waits = append(waits, what) }
	if _, err := discover(t.Context(), o, shortPatience()); err != nil {
		t.Fatal(err)
	}
	want := []string{"to answer", "(HTTP 503)", "(HTTP 403)", "to be signed for token id abcdef", "(HTTP 503)"}
	if len(waits) != len(want) {
		t.Fatalf("waits = %q", waits)
	}
	for i := range want {
		if !strings.HasSuffix(waits[i], want[i]) {
			t.Errorf("wait %d = %q, want …%q", i, waits[i], want[i])
		}
	}
}

func TestTimeoutNamesWhatWasMissing(t *testing.T) {
	ca := usualAuthority(t)
	o := options("127.0.0.1:1", Pin(ca.cert))
	o.Timeout = 150 * time.Millisecond
	info, err := discover(t.Context(), o, shortPatience())
	checkFailure(t, info, err, ErrUnreachable)
	if !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("error = %v", err)
	}

	server := newAPIServer(t, ca.usual(t), func(int) (int, map[string]string) { return http.StatusNotFound, nil })
	o.Endpoint, o.Timeout = endpointOf(server), time.Second // enough for one answer, on a busy machine too
	info, err = discover(t.Context(), o, shortPatience())
	checkFailure(t, info, err, ErrNoClusterInfo)

	ctx, cancel := context.WithCancel(t.Context())
	o.Timeout, o.Waiting = time.Minute, func(string) { cancel() }
	if _, err := discover(ctx, o, shortPatience()); !errors.Is(err, context.Canceled) {
		t.Errorf("error after cancel = %v", err)
	}
}

func TestUnresolvedNameIsGivenUpSoon(t *testing.T) {
	o := options("api.cluster.invalid:6443", Pin(usualAuthority(t).cert))
	o.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "api.cluster.invalid", IsNotFound: true}}
	}
	info, err := discover(t.Context(), o, shortPatience())
	checkFailure(t, info, err, ErrUnresolved)
}

func TestBadOptionsAreRefusedBeforeAnyConnection(t *testing.T) {
	pin := "sha256:" + strings.Repeat("ab", 32)
	for name, edit := range map[string]func(*Options){
		"no pin":               func(o *Options) { o.CACertHashes = nil },
		"short pin":            func(o *Options) { o.CACertHashes = []string{pin, pin[:len(pin)-2]} },
		"pin of another kind":  func(o *Options) { o.CACertHashes = []string{"sha512:" + strings.Repeat("ab", 32)} },
		"pin not hex":          func(o *Options) { o.CACertHashes = []string{"sha256:" + strings.Repeat("xy", 32)} },
		"bad pin, unsafe":      func(o *Options) { o.CACertHashes, o.UnsafeSkipCAVerification = []string{"x"}, true },
		"no token":             func(o *Options) { o.TokenID = "" },
		"endpoint is a URL":    func(o *Options) { o.Endpoint = "https://10.0.0.1:6443" },
		"endpoint has no port": func(o *Options) { o.Endpoint = "10.0.0.1" },
		"endpoint has no host": func(o *Options) { o.Endpoint = ":6443" },
		"endpoint has user":    func(o *Options) { o.Endpoint = "u@10.0.0.1:6443" },
	} {
		o := options("10.0.0.1:6443", pin)
		o.Dial = func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%s: connected", name)
			return nil, errors.New("refused")
		}
		edit(&o)
		info, err := Token(t.Context(), o)
		checkFailure(t, info, err, ErrInvalid)
	}
}
