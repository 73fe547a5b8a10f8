package discovery

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cluster-bootstrap/token/jws"

	"github.com/clusteradm/clusteradm/internal/secret"
)

const (
	id     = "abcdef"
	canary = "0123456789abcdef" // the token's secret: no error may hold it
)

// authority is a CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, from, until time.Time) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func usualAuthority(t *testing.T) authority {
	t.Helper()
	return newAuthority(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

// issue makes a server certificate for ip.
func (a authority) issue(t *testing.T, ip string, from, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: from, NotAfter: until,
		IPAddresses: []net.IP{net.ParseIP(ip)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client makes a client certificate and its key, both PEM.
func (a authority) client(t *testing.T) (cert, key []byte) {
	t.Helper()
	pair := a.usual(t)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func (a authority) usual(t *testing.T) tls.Certificate {
	return a.issue(t, "127.0.0.1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

// apiServer answers GETs of cluster-info, the nth (from 1) as answer says.
type apiServer struct {
	*httptest.Server
	mu       sync.Mutex
	requests int
	answer   func(n int) (code int, data map[string]string)
	created  time.Time
}

func newAPIServer(t *testing.T, cert tls.Certificate, answer func(n int) (int, map[string]string)) *apiServer {
	t.Helper()
	s := &apiServer{answer: answer, created: time.Now().Add(-24 * time.Hour)}
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *apiServer) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if r.Method != http.MethodGet || r.URL.Path != clusterInfoPath || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	code, data := s.answer(s.requests)
	kind := "ConfigMap"
	if code != http.StatusOK {
		kind = "Status"
	}
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"kind": kind, "data": data,
		"metadata": map[string]any{"creationTimestamp": s.created.UTC().Format(time.RFC3339)},
	})
}

// clusterInfo is the data of cluster-info as kubeadm writes it.
func clusterInfoData(t *testing.T, ca []byte, tokenSecret string) map[string]string {
	t.Helper()
	content := "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: " +
		base64.StdEncoding.EncodeToString(ca) +
		"\n    server: https://cluster.test:6443\n  name: \"\"\ncontexts: null\ncurrent-context: \"\"\nkind: Config\nusers: null\n"
	data := map[string]string{kubeconfigKey: content}
	if tokenSecret != "" {
		signature, err := jws.ComputeDetachedSignature(content, id, tokenSecret)
		if err != nil {
			t.Fatal(err)
		}
		data[signaturePrefix+id] = signature
	}
	return data
}

func always(data map[string]string) func(int) (int, map[string]string) {
	return func(int) (int, map[string]string) { return http.StatusOK, data }
}

func endpointOf(s *apiServer) string { return strings.TrimPrefix(s.URL, "https://") }

func options(endpoint string, pins ...string) Options {
	return Options{
		Endpoint: endpoint, TokenID: id, TokenSecret: secret.NewString(canary), CACertHashes: pins,
	}
}

// shortPatience gives up soon on what may pass, and leaves servers that do
// answer the time that they take on a busy machine.
func shortPatience() patience {
	return patience{passing: 200 * time.Millisecond, connect: 30 * time.Second, attempt: 30 * time.Second, young: time.Minute}
}
