package certscmd

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
	"github.com/clusteradm/clusteradm/pki"
)

func certificateOf(t *testing.T, name string) string {
	t.Helper()
	p, err := pki.Issue(pki.Spec{CommonName: name, IsCA: true, Validity: time.Hour, Algorithm: cluster.ECDSAP256}, pki.Pair{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return string(p.Cert)
}

// A process that still serves what was renewed on the disk is told, with both
// serial numbers and what to do.
func TestServedIsComparedWithTheDisk(t *testing.T) {
	w := plantest.New(hosttest.New("cp1", hosttest.Options{}))
	for _, name := range []string{"a", "b"} {
		w.Machine.Put("/pki/"+name, certificateOf(t, name), 0o644)
	}
	w.Machine.Put("/pki/junk", "junk", 0o644)
	w.Serves = map[string]string{"x:1": "/pki/a", "x:2": "/pki/junk"}
	for path, want := range map[string]string{"/pki/a": "the same", "/pki/b": "!OTHER!", "": "its own", "/pki/none": "!MISSING!", "/pki/junk": "!MISSING!"} {
		s := served{By: "p", Address: "x:1", Path: path}
		s.ask(t.Context(), w, time.Now())
		if s.disk() != want || s.Error != "" || s.Serial == "" || s.Stale != (want == "!OTHER!") {
			t.Errorf("%q: %s, %+v", path, s.disk(), s)
		}
		var out, narration bytes.Buffer
		if err := (expiration{Served: []served{s}}).print(&out, &narration); err != nil {
			t.Fatal(err)
		}
		if told := strings.Contains(out.String(), "clusteradm certs renew all"); told != s.Stale {
			t.Errorf("%q: %s", path, &out)
		}
	}
	for _, addr := range []string{"x:2", "x:3"} {
		s := served{Address: addr}
		if s.ask(t.Context(), w, time.Now()); s.Error == "" {
			t.Errorf("%s: %+v", addr, s)
		}
	}
}

func TestResidualTime(t *testing.T) {
	at := time.Now()
	for seconds, want := range map[int64]string{0: "expired", -5: "expired", 86400 * 364: "364d", 3600 * 5: "5h"} {
		if got := residual(&at, seconds); got != want {
			t.Errorf("%d: %s", seconds, got)
		}
	}
	if residual(nil, 5) != "" || when(nil) != "!DAMAGED!" {
		t.Error("what cannot be parsed has a time")
	}
}
