package world_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/world"
)

// A server shows its certificate also to one that it will not talk to.
func TestServed(t *testing.T) {
	for name, want := range map[string]tls.ClientAuthType{"anyone": tls.NoClientCert, "members only": tls.RequireAndVerifyClientCert} {
		s := httptest.NewUnstartedServer(nil)
		s.TLS = &tls.Config{ClientAuth: want}
		s.StartTLS()
		defer s.Close()
		got, err := world.New(world.Parts{Machine: newMachine()}).Served(t.Context(), "cp1", s.Listener.Addr().String())
		if err != nil || !bytes.Equal(got, s.Certificate().Raw) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestServedByNobody(t *testing.T) {
	plain := httptest.NewServer(nil)
	defer plain.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, addr := range []string{plain.Listener.Addr().String(), closed.Addr().String()} {
		got, err := world.New(world.Parts{Machine: newMachine()}).Served(t.Context(), "cp1", addr)
		if err == nil || len(got) > 0 || !strings.HasPrefix(err.Error(), "ask "+addr+" for its certificate: ") {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
}
