//go:build e2e

package scenarios

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// reissue makes a certificate again, for other dates, by the authority of a
// control plane.
func reissue(t *testing.T, cp *nodes.Node, certPEM []byte, from, until time.Time) ([]byte, error) {
	t.Helper()
	read := func(path string) []byte {
		data, err := cp.ReadFile(t.Context(), path)
		must(t, err)
		block, _ := pem.Decode(data)
		if block == nil {
			t.Fatalf("%s is no PEM", path)
		}
		return block.Bytes
	}
	ca, err := x509.ParseCertificate(read("/etc/kubernetes/pki/ca.crt"))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParseECPrivateKey(read("/etc/kubernetes/pki/ca.key"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, errors.New("no certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	cert.SerialNumber, cert.NotBefore, cert.NotAfter = big.NewInt(time.Now().UnixNano()), from, until
	der, err := x509.CreateCertificate(rand.Reader, cert, ca, cert.PublicKey, key)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), err
}

// website is an https server on the lab's bridge.
type website struct {
	url string
	ca  []byte
}

func newSite(t *testing.T, address string, handler http.HandlerFunc) website {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "site"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(address)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	listener, err := tls.Listen("tcp", address+":0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	must(t, err)
	server := &http.Server{Handler: handler}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return website{"https://" + listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// discoveryFile is a kubeconfig with a token.
func discoveryFile(server string, ca []byte, token string) string {
	return "apiVersion: v1\nkind: Config\ncurrent-context: join\n" +
		"clusters: [{name: lab, cluster: {server: '" + server + "', certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca) + "}}]\n" +
		"contexts: [{name: join, context: {cluster: lab, user: joiner}}]\nusers: [{name: joiner, user: {token: " + token + "}}]\n"
}
