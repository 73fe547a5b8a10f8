package pki

import (
	"crypto"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Ensure returns existing with everything added that specs and kubeconfigs ask
// for and that is not there. What is there is checked and kept as it is; all
// that is wrong with it is returned together, as *CheckErrors, and then nothing
// is made. A kubeconfig that names another server is kept as well, as kubeadm
// keeps it; ValidKubeconfig tells.
func Ensure(existing *Bundle, specs []Spec, kubeconfigs []KubeconfigSpec, now time.Time) (*Bundle, error) {
	m := &maker{bundle: existing.clone(), now: now, cas: map[string]*authority{}}
	for _, s := range specs { // CAs first: the checks of leaves need them
		if s.IsCA {
			m.ca(s)
		}
	}
	for _, s := range specs {
		switch {
		case s.KeyOnly:
			m.keyPair(s)
		case !s.IsCA:
			m.leaf(s)
		}
	}
	for _, k := range kubeconfigs {
		m.kubeconfig(k)
	}
	if err := errors.Join(m.errs...); err != nil {
		return nil, fmt.Errorf("ensure pki: %w", err)
	}
	if err := m.run(); err != nil {
		return nil, fmt.Errorf("ensure pki: %w", err)
	}
	return m.bundle, nil
}

type maker struct {
	bundle *Bundle
	now    time.Time
	cas    map[string]*authority // by base; without certs while still to be made
	jobs   []*job
	errs   []error
}

// job is something to be made once it has a key.
type job struct {
	algorithm cluster.KeyAlgorithm
	key       crypto.Signer
	finish    func(crypto.Signer) error
}

func (m *maker) fail(err error) { m.errs = append(m.errs, err) }

func (m *maker) ca(s Spec) {
	m.bundle.Dir = s.Dir
	pair := m.bundle.Pairs[s.Base]
	if len(pair.Cert) > 0 {
		m.existingCA(s, pair)
		return
	}
	a := &authority{}
	finish := func(key crypto.Signer) error {
		made, err := issue(s, key, authority{}, m.now)
		if err != nil {
			return err
		}
		if !pair.Key.Empty() {
			made.Key = pair.Key
		}
		m.bundle.Pairs[s.Base] = made
		*a, err = decodeAuthority(made)
		return err
	}
	m.cas[s.Base] = a
	if pair.Key.Empty() {
		m.jobs = append(m.jobs, &job{algorithm: s.Algorithm, finish: finish})
		return
	}
	// At once, for what this key has signed before can then be checked.
	key, err := decodeKey(pair.Key)
	if err != nil {
		m.cas[s.Base] = nil // its leaves would only repeat the fault
		m.fail(&CheckError{s.KeyPath(), Damaged, err.Error(), hintRestore})
		return
	}
	if err := finish(key); err != nil {
		m.fail(err)
	}
}

func (m *maker) existingCA(s Spec, pair Pair) {
	m.cas[s.Base] = nil // until it is found to be valid
	if err := Valid(s, pair.Cert, pair.Key, nil, m.now); err != nil {
		m.fail(err)
		return
	}
	a, err := decodeAuthority(pair)
	if err != nil {
		m.fail(err)
		return
	}
	m.cas[s.Base] = &a
}

// issuer finds the CA of s, or says why there is none. It reports a CA's own
// fault once, not again for each leaf.
func (m *maker) issuer(s Spec) (*authority, bool) {
	if a, seen := m.cas[s.CABase]; seen {
		return a, a != nil
	}
	ca := Spec{Name: s.CA, Dir: s.Dir, Base: s.CABase, IsCA: true}
	pair := m.bundle.Pairs[s.CABase]
	if len(pair.Cert) > 0 {
		m.existingCA(ca, pair)
	} else {
		m.cas[s.CABase] = nil
		m.fail(&CheckError{ca.CertPath(), Missing, "the ca is needed and does not exist", "clusteradm init phase certs " + s.CA})
	}
	return m.cas[s.CABase], m.cas[s.CABase] != nil
}

func (m *maker) leaf(s Spec) {
	pair := m.bundle.Pairs[s.Base]
	a, ok := m.issuer(s)
	if !ok {
		return
	}
	if len(pair.Cert) > 0 {
		if orphan := m.orphan(s.CertPath(), s, a); orphan != nil {
			m.fail(orphan)
		} else if err := Valid(s, pair.Cert, pair.Key, m.bundle.Pairs[s.CABase].Cert, m.now); err != nil {
			m.fail(err)
		}
		return
	}
	if external := m.external(s.CertPath(), s, a); external != nil {
		if check := (*CheckError)(nil); !pair.Key.Empty() && errors.As(external, &check) {
			check.Hint = "have " + s.requestPath() + " signed and put the certificate there"
		}
		m.fail(external)
		return
	}
	j := &job{algorithm: s.Algorithm, finish: func(key crypto.Signer) error {
		made, err := issue(s, key, *a, m.now)
		if err != nil {
			return err
		}
		if !pair.Key.Empty() {
			made.Key = pair.Key
		}
		m.bundle.Pairs[s.Base] = made
		return nil
	}}
	if !pair.Key.Empty() {
		var err error
		if j.key, err = decodeKey(pair.Key); err != nil {
			m.fail(&CheckError{s.KeyPath(), Damaged, err.Error(), hintRestore})
			return
		}
	}
	m.jobs = append(m.jobs, j)
}

func (m *maker) keyPair(s Spec) {
	m.bundle.Dir = s.Dir
	have := m.bundle.ServiceAccount
	if have.Private.Empty() && len(have.Public) > 0 {
		m.fail(&CheckError{s.KeyPath(), Missing, "there is a public key, but not its private key", hintRestore})
		return
	}
	j := &job{algorithm: s.Algorithm, finish: func(key crypto.Signer) (err error) {
		if have.Private.Empty() {
			if have.Private, err = encodeKey(key); err != nil {
				return err
			}
		}
		have.Public, err = encodePublic(key.Public())
		m.bundle.ServiceAccount = have
		return err
	}}
	if !have.Private.Empty() {
		key, err := decodeKey(have.Private)
		if err != nil {
			m.fail(&CheckError{s.KeyPath(), Damaged, err.Error(), hintRestore})
			return
		}
		if len(have.Public) > 0 {
			if public, err := decodePublic(have.Public); err != nil {
				m.fail(&CheckError{s.PublicPath(), Damaged, err.Error(), hintRestore})
			} else if !sameKey(public, key.Public()) {
				m.fail(&CheckError{s.PublicPath(), Key, "not the public key of " + s.KeyPath(), "rm " + s.PublicPath() + "; clusteradm init phase certs sa"})
			}
			return
		}
		j.key = key
	}
	m.jobs = append(m.jobs, j)
}

func (m *maker) kubeconfig(k KubeconfigSpec) {
	a, ok := m.issuer(k.Client)
	if !ok {
		return
	}
	if data := m.bundle.Kubeconfigs[k.Path]; !data.Empty() {
		if orphan := m.orphan(k.Path, k.Client, a); orphan != nil {
			m.fail(orphan)
			return
		}
		if unsigned := m.unsigned(k, data, a); unsigned != nil {
			m.fail(unsigned)
			return
		}
		err := ValidKubeconfig(k, data, m.bundle.Pairs[k.Client.CABase].Cert, m.now)
		if check := (*CheckError)(nil); err != nil && (!errors.As(err, &check) || check.Problem != Server) {
			m.fail(err)
		}
		return
	}
	if external := m.external(k.Path, k.Client, a); external != nil {
		m.fail(external)
		return
	}
	m.jobs = append(m.jobs, &job{algorithm: k.Client.Algorithm, finish: func(key crypto.Signer) error {
		made, err := issue(k.Client, key, *a, m.now)
		if err != nil {
			return err
		}
		m.bundle.Kubeconfigs[k.Path] = EncodeKubeconfig(k, m.bundle.Pairs[k.Client.CABase].Cert, made.Cert, made.Key)
		return nil
	}})
}

// orphan is the error of something that exists while its CA does not.
func (m *maker) orphan(path string, s Spec, a *authority) error {
	if len(a.certs) > 0 {
		return nil
	}
	ca := Spec{Dir: s.Dir, Base: s.CABase}
	return &CheckError{path, Issuer, "not signed by ca " + s.CA + ", which does not exist",
		"restore " + ca.CertPath() + " and " + ca.KeyPath() + ", or remove this file to start afresh"}
}

// external is the error of something that only the owner of a CA can make.
func (m *maker) external(path string, s Spec, a *authority) error {
	if len(a.certs) == 0 || a.key != nil {
		return nil
	}
	return &CheckError{path, Missing, "does not exist and cannot be made: ca " + s.CA + " is external, its key is not here",
		"clusteradm certs generate-csr   # and have the requests signed; or provide " + Spec{Dir: s.Dir, Base: s.CABase}.KeyPath()}
}

// unsigned is the error of a kubeconfig that has its key and still waits for
// its certificate from an external CA.
func (m *maker) unsigned(k KubeconfigSpec, data secret.Bytes, a *authority) error {
	conf, err := DecodeKubeconfig(data)
	if err != nil || len(conf.Cert) > 0 || conf.Key.Empty() || m.external(k.Path, k.Client, a) == nil {
		return nil
	}
	return &CheckError{k.Path, Missing, "it has a key and no certificate: ca " + k.Client.CA + " is external",
		"have " + k.Path + ".csr signed and put the certificate into " + k.Path + " as client-certificate-data, in base64"}
}

// run makes keys in parallel, for RSA ones take long, then certificates in
// order, CAs first.
func (m *maker) run() error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range m.jobs {
		if j.key == nil {
			g.Go(func() (err error) { j.key, err = newKey(j.algorithm); return err })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, j := range m.jobs {
		if err := j.finish(j.key); err != nil {
			return err
		}
	}
	return nil
}
