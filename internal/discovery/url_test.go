package discovery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// site serves a discovery file under a certificate of ca.
func site(t *testing.T, cert tls.Certificate, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func trusting(cas ...authority) Options {
	roots := x509.NewCertPool()
	for _, ca := range cas {
		roots.AddCert(ca.cert)
	}
	return Options{Roots: roots}.withDefaults()
}

func TestFetch(t *testing.T) {
	ca, other := usualAuthority(t), usualAuthority(t)
	now := time.Now()
	good := site(t, ca.usual(t), func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/file":
			_, _ = w.Write([]byte("content"))
		case "/moved":
			http.Redirect(w, r, "/file", http.StatusFound)
		case "/large":
			_, _ = w.Write(make([]byte, maxFile+1))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	if data, err := fetch(t.Context(), good.URL+"/file", trusting(ca), shortPatience()); err != nil || string(data) != "content" {
		t.Errorf("fetched %q, %v", data, err)
	}
	old := site(t, ca.issue(t, "127.0.0.1", now.Add(-time.Hour), now.Add(-time.Minute)), func(http.ResponseWriter, *http.Request) {})
	for name, c := range map[string]struct {
		url  string
		ca   authority
		says string
		want error
	}{
		"not there":          {good.URL + "/x?key=" + canary, ca, "answers with HTTP 404", nil},
		"moved":              {good.URL + "/moved", ca, "answers with HTTP 302", nil},
		"large":              {good.URL + "/large", ca, "larger than 1 MiB", nil},
		"nobody's authority": {good.URL + "/x?key=" + canary, other, "of no authority that this machine trusts", nil},
		"expired":            {old.URL + "/file", ca, "expired on", ErrClock},
		"nothing listens":    {"https://127.0.0.1:1/" + canary, ca, "connection refused", ErrNoSite},
		"plain http":         {"http://127.0.0.1/" + canary, ca, "want https://host/path", ErrInvalid},
		"no such name":       {"https://no.such.name/" + canary, ca, "no.such.name", ErrUnresolved},
	} {
		t.Run(name, func(t *testing.T) {
			o := trusting(c.ca)
			if name == "no such name" {
				o.Dial = func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.DNSError{Name: "no.such.name", IsNotFound: true}
				}
			}
			_, err := fetch(t.Context(), c.url, o, shortPatience())
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), canary) || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("error = %v", err)
			}
			var hinted interface{ Hint() string }
			if !errors.As(err, &hinted) || hinted.Hint() == "" {
				t.Errorf("no hint in %v", err)
			}
		})
	}
}

func TestReach(t *testing.T) {
	ca, other := usualAuthority(t), usualAuthority(t)
	for code, name := range map[int]string{http.StatusOK: "readable", http.StatusForbidden: "not for anonymous", http.StatusUnauthorized: "no anonymous"} {
		server := newAPIServer(t, ca.usual(t), func(int) (int, map[string]string) { return code, nil })
		if err := reach(t.Context(), Info{Server: server.URL, CA: ca.pem}, trusting(), shortPatience()); err != nil || server.count() != 1 {
			t.Errorf("%s: %v after %d requests", name, err, server.count())
		}
	}
	server := newAPIServer(t, ca.usual(t), always(nil))
	now := func(at time.Time) Options { return Options{Now: func() time.Time { return at }}.withDefaults() }
	for name, c := range map[string]struct {
		info    Info
		options Options
		want    error
	}{
		"another's":  {Info{Server: server.URL, CA: other.pem}, trusting(), ErrUntrusted},
		"not there":  {Info{Server: "https://127.0.0.1:1", CA: ca.pem}, trusting(), ErrUnreachable},
		"wrong time": {Info{Server: server.URL, CA: ca.pem}, now(time.Now().Add(-24 * time.Hour)), ErrClock},
		"no server":  {Info{CA: ca.pem}, trusting(), ErrMalformed},
		"no CA":      {Info{Server: server.URL}, trusting(), ErrMalformed},
	} {
		if err := reach(t.Context(), c.info, c.options, shortPatience()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIsURL(t *testing.T) {
	for path, want := range map[string]bool{"https://a/b": true, "HTTPS://a/b": true, "/etc/x": false, "http://a": false, "x": false, "%": false} {
		if IsURL(path) != want {
			t.Errorf("IsURL(%q) is %t", path, !want)
		}
	}
}
