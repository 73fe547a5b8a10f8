package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Skipped is a certificate that was not renewed, and why.
type Skipped struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Renewal is what a renewal puts on the disk.
type Renewal struct {
	Names   []string    // of what is renewed
	Files   []NamedFile // in the order of writing, of every pair the key first
	Skipped []Skipped
	Expired bool // something of it had expired
	// Cut is when authorities end, by name, that do so before what is renewed
	// under them would have ended.
	Cut map[string]time.Time
}

// Renew makes new keys and certificates for the named targets, with what the
// certificates in files say: subject, names and usages, as kubeadm does. A key
// that is missing or another's is no obstacle, for it is replaced. An empty
// KeyAlgorithm of the cluster keeps that of each certificate.
//
// What written accepts was written by an earlier run that was interrupted, and
// stays. A missing certificate, or one of a CA whose key is elsewhere, is passed
// over; all that is damaged is reported at once, and then nothing is made.
func Renew(files map[string]secret.Bytes, c *cluster.Cluster, names []string, written func(path string, content secret.Bytes) bool, now time.Time) (Renewal, error) {
	r := Renewal{Cut: map[string]time.Time{}}
	var jobs []renewing
	var errs []error
	for _, t := range targets(c) {
		if !slices.Contains(names, t.name) {
			continue
		}
		if t.isWritten(files, written) {
			continue
		}
		job, reason, err := t.renewing(files, now)
		switch {
		case err != nil:
			errs = append(errs, err)
		case reason != "":
			r.Skipped = append(r.Skipped, Skipped{t.name, reason})
		default:
			r.Names = append(r.Names, t.name)
			r.Expired = r.Expired || job.expired
			if end := job.ca.certs[0].NotAfter; end.Before(now.Add(job.spec.Validity)) {
				r.Cut[job.spec.CA] = end
			}
			jobs = append(jobs, job)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return Renewal{}, fmt.Errorf("renew certificates: %w", err)
	}
	made := make([][]NamedFile, len(jobs))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0)) // RSA keys take long
	for i, job := range jobs {
		g.Go(func() (err error) { made[i], err = job.files(files, now); return err })
	}
	if err := g.Wait(); err != nil {
		return Renewal{}, fmt.Errorf("renew certificates: %w", err)
	}
	r.Files = slices.Concat(made...)
	return r, nil
}

func (t target) isWritten(files map[string]secret.Bytes, written func(string, secret.Bytes) bool) bool {
	return !slices.ContainsFunc(t.paths(), func(p string) bool {
		data, ok := files[p]
		return !ok || !written(p, data)
	})
}

// renewing is a target with what its new certificate is to be.
type renewing struct {
	target
	ca      authority
	caPEM   []byte
	expired bool
}

// renewing says what is to be made, or why nothing is.
func (t target) renewing(files map[string]secret.Bytes, now time.Time) (job renewing, reason string, err error) {
	certs, have, err := t.read(files)
	if err != nil {
		return job, "", err
	}
	if certs == nil {
		return job, "there is none", nil
	}
	pair := authorityOf(files, t.spec)
	root := Spec{Dir: t.spec.Dir, Base: t.spec.CABase, IsCA: true}
	switch {
	case len(pair.Cert) == 0:
		return job, "", &CheckError{root.CertPath(), Missing, "the ca is needed and does not exist", hintRestore}
	case pair.Key.Empty():
		return job, "ca " + t.spec.CA + " is external: its key is not here", nil
	}
	if err := Valid(root, pair.Cert, pair.Key, nil, now); err != nil {
		return job, "", err
	}
	job = renewing{target: t, caPEM: pair.Cert, expired: now.After(certs[0].NotAfter)}
	if job.ca, err = decodeAuthority(pair); err != nil {
		return job, "", err
	}
	if job.spec, err = Renewed(t.spec, have.Cert); err != nil {
		return job, "", err
	}
	job.spec = job.spec.algorithmOf(certs[0])
	return job, "", nil
}

func (j renewing) files(files map[string]secret.Bytes, now time.Time) ([]NamedFile, error) {
	key, err := newKey(j.spec.Algorithm)
	if err != nil {
		return nil, err
	}
	made, err := issue(j.spec, key, j.ca, now)
	if err != nil {
		return nil, err
	}
	if j.conf == "" {
		return []NamedFile{
			{j.spec.KeyPath(), made.Key, 0o600},
			{j.spec.CertPath(), secret.NewBytes(made.Cert), 0o644},
		}, nil
	}
	data, err := replaceClient(files[j.conf], j.caPEM, made)
	if err != nil {
		return nil, &CheckError{j.conf, Damaged, err.Error(), hintRestore}
	}
	return []NamedFile{{j.conf, data, 0o600}}, nil
}

// algorithmOf is s with a certificate's own kind of key, if s names none.
func (s Spec) algorithmOf(cert *x509.Certificate) Spec {
	if s.Algorithm == "" {
		s.Algorithm = algorithmOf(cert.PublicKey)
	}
	return s
}

func algorithmOf(key crypto.PublicKey) cluster.KeyAlgorithm {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve.Params().BitSize > 256 {
			return cluster.ECDSAP384
		}
		return cluster.ECDSAP256
	case *rsa.PublicKey:
		switch {
		case k.Size() > 384:
			return cluster.RSA4096
		case k.Size() > 256:
			return cluster.RSA3072
		}
	}
	return cluster.RSA2048
}

// RenewKubelet makes a client certificate and key in one PEM file for a kubelet
// whose own has expired, or is gone: it can't ask for one any more. Nothing is
// made while it is valid, for it rotates by itself, nor under an external CA.
// The second result is a kubelet.conf that refers to it, if it does not yet.
// node is whose it is if neither a certificate nor kubelet.conf tells: the one
// that a joining kubelet writes itself calls its user default-auth.
func RenewKubelet(files map[string]secret.Bytes, c *cluster.Cluster, node string, now time.Time) (client, conf secret.Bytes, err error) {
	data, ok := files[cluster.KubeletConf]
	ca := Pair{Cert: files[c.PKI("ca.crt")].Reveal(), Key: files[c.PKI("ca.key")]}
	if !ok || ca.Key.Empty() {
		return client, conf, nil
	}
	k, err := DecodeKubeconfig(data)
	if err != nil {
		return client, conf, fmt.Errorf("renew kubelet certificate: %w", &CheckError{cluster.KubeletConf, Damaged, err.Error(), hintRestore})
	}
	if len(k.Cert) == 0 && k.CertFile != cluster.KubeletClientPEM {
		return client, conf, nil // the user's own arrangement
	}
	user := k.User
	if !strings.HasPrefix(user, nodeUser("")) {
		user = nodeUser(node)
	}
	spec := Spec{Name: "kubelet", Dir: c.CertificatesDir, CA: "ca", CABase: "ca", CommonName: user, Organization: []string{"system:nodes"},
		Usages: []Usage{ClientAuth}, Validity: c.LeafValidity, Algorithm: c.KeyAlgorithm}
	have := k.Cert
	if len(have) == 0 {
		have = files[cluster.KubeletClientPEM].Reveal()
	}
	if certs, err := decodeCerts(have); err == nil {
		if now.Before(certs[0].NotAfter) {
			return client, conf, nil
		}
		if spec, err = Renewed(spec, have); err != nil {
			return client, conf, err
		}
		spec = spec.algorithmOf(certs[0])
	}
	if spec.Algorithm == "" {
		spec.Algorithm = cluster.ECDSAP256 // as the kubelet itself
	}
	made, err := Issue(spec, ca, now)
	if err != nil {
		return client, conf, err
	}
	if len(k.Cert) > 0 {
		conf = encode(k.Cluster, k.Server, k.User, k.CA, userInfo{Cert: cluster.KubeletClientPEM, Key: cluster.KubeletClientPEM})
	}
	return secret.NewBytes(bytes.Join([][]byte{made.Cert, made.Key.Reveal()}, nil)), conf, nil
}
