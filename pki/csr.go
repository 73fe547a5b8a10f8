package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

const blockRequest = "CERTIFICATE REQUEST"

// request asks for the certificate of s and key.
func request(s Spec, key crypto.Signer) ([]byte, error) {
	template := &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: s.CommonName, Organization: s.Organization},
		DNSNames: s.DNSNames,
	}
	for _, ip := range s.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("request certificate of %s: %w", s.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockRequest, Bytes: der}), nil
}

// Requests makes what an external CA is asked with: for each certificate of a
// control-plane node a key and a request beside the place of the certificate,
// and for each kubeconfig, below confDir, the kubeconfig with its key and
// without a certificate, and a request. kubeadm writes the same files, but the
// CA's certificate, which is put into the kubeconfigs if it is there.
//
// A key that exists is used, and a request that is of it stays, so that an
// interrupted run is gone on with. What has its certificate already is left
// out. Each request comes after its key.
func Requests(files map[string]secret.Bytes, c *cluster.Cluster, n cluster.Node, confDir string) ([]NamedFile, error) {
	var made []NamedFile
	var errs []error
	add := func(list []NamedFile, err error) {
		made, errs = append(made, list...), append(errs, err)
	}
	for _, s := range Tree(c, n) {
		if !s.IsCA && !s.KeyOnly && files[s.CertPath()].Empty() {
			add(requestPair(files, s))
		}
	}
	for _, k := range KubeconfigSpecs(c, n) {
		k.Path = path.Join(confDir, path.Base(k.Path))
		add(requestConf(files, k))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("request certificates: %w", err)
	}
	return made, nil
}

// RequestFiles are the paths that Requests looks for in files.
func RequestFiles(c *cluster.Cluster, n cluster.Node, confDir string) []string {
	paths := []string{c.PKI("ca.crt")}
	for _, s := range Tree(c, n) {
		if !s.IsCA && !s.KeyOnly {
			paths = append(paths, s.KeyPath(), s.CertPath(), s.requestPath())
		}
	}
	for _, k := range KubeconfigSpecs(c, n) {
		conf := path.Join(confDir, path.Base(k.Path))
		paths = append(paths, conf, conf+".csr")
	}
	return paths
}

func (s Spec) requestPath() string { return path.Join(s.Dir, s.Base+".csr") }

func requestPair(files map[string]secret.Bytes, s Spec) ([]NamedFile, error) {
	keyPEM, key, err := keyOrNew(files[s.KeyPath()], s, s.KeyPath())
	if err != nil {
		return nil, err
	}
	csr, err := requestOrNew(files[s.requestPath()], s, key)
	if err != nil {
		return nil, err
	}
	return []NamedFile{{s.KeyPath(), keyPEM, 0o600}, {s.requestPath(), csr, 0o600}}, nil
}

func requestConf(files map[string]secret.Bytes, k KubeconfigSpec) ([]NamedFile, error) {
	data, ok := files[k.Path]
	have := secret.Bytes{}
	if ok {
		conf, err := DecodeKubeconfig(data)
		if err != nil {
			return nil, &CheckError{k.Path, Damaged, err.Error(), hintRestore}
		}
		if len(conf.Cert) > 0 || conf.CertFile != "" || conf.Key.Empty() {
			return nil, nil
		}
		have = conf.Key
	}
	keyPEM, key, err := keyOrNew(have, k.Client, k.Path)
	if err != nil {
		return nil, err
	}
	csr, err := requestOrNew(files[k.Path+".csr"], k.Client, key)
	if err != nil {
		return nil, err
	}
	if !ok {
		data = EncodeKubeconfig(k, files[Spec{Dir: k.Client.Dir, Base: k.Client.CABase}.CertPath()].Reveal(), nil, keyPEM)
	}
	return []NamedFile{{k.Path, data, 0o600}, {k.Path + ".csr", csr, 0o600}}, nil
}

func keyOrNew(have secret.Bytes, s Spec, at string) (secret.Bytes, crypto.Signer, error) {
	if !have.Empty() {
		key, err := decodeKey(have)
		if err != nil {
			return have, nil, &CheckError{at, Damaged, err.Error(), hintRestore}
		}
		return have, key, nil
	}
	key, err := newKey(s.Algorithm)
	if err != nil {
		return have, nil, err
	}
	encoded, err := encodeKey(key)
	return encoded, key, err
}

func requestOrNew(have secret.Bytes, s Spec, key crypto.Signer) (secret.Bytes, error) {
	if block, _ := pem.Decode(have.Reveal()); block != nil && block.Type == blockRequest {
		if csr, err := x509.ParseCertificateRequest(block.Bytes); err == nil && sameKey(csr.PublicKey, key.Public()) {
			return have, nil
		}
	}
	csr, err := request(s, key)
	return secret.NewBytes(csr), err
}
