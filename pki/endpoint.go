package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// CheckServer says whether the certificate, DER, that is seen at addr is one
// that those who trust ca accept for a host: a name or an address. The error is
// a *CheckError.
func CheckServer(addr string, der, caPEM []byte, host string, now time.Time) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return &CheckError{Path: addr, Problem: Damaged, Reason: err.Error()}
	}
	roots, err := decodeCerts(caPEM)
	if err != nil {
		return &CheckError{Path: addr, Problem: Damaged, Reason: "ca: " + err.Error()}
	}
	asked := Spec{CA: "ca", Usages: []Usage{ServerAuth}, DNSNames: []string{host}}
	err = checkLeaf(addr, asked, []*x509.Certificate{cert}, roots, now)
	if check := (*CheckError)(nil); errors.As(err, &check) {
		check.Hint = "" // it is about a file
	}
	return err
}

// AddNames makes the API server's certificate anew if it lacks names that the
// cluster's configuration asks for: with those that it has besides, and with
// the same key. So one file is replaced, and there is no moment at which a key
// and a certificate do not match. Without files nothing is lacking.
func AddNames(files map[string]secret.Bytes, c *cluster.Cluster, n cluster.Node, now time.Time) ([]NamedFile, error) {
	at := slices.IndexFunc(targets(c), func(t target) bool { return t.name == "apiserver" })
	t := targets(c)[at]
	certs, have, err := t.read(files)
	switch {
	case err != nil:
		return nil, err
	case certs == nil:
		return nil, &CheckError{t.spec.CertPath(), Missing, "there is none", "clusteradm init phase certs apiserver"}
	}
	tree := Tree(c, n)
	want := tree[slices.IndexFunc(tree, func(s Spec) bool { return s.Name == "apiserver" })]
	ca := authorityOf(files, want)
	err = Valid(want, have.Cert, have.Key, ca.Cert, now)
	var lacking *CheckError
	switch {
	case !errors.As(err, &lacking) || lacking.Problem != SANs:
		return nil, err
	case ca.Key.Empty():
		lacking.Reason += ", and the key of its ca is not here"
		lacking.Hint = "clusteradm certs generate-csr   # and have the ca sign one with that name"
		return nil, lacking
	}
	made, err := withNames(want, have, ca, now)
	if err != nil {
		return nil, fmt.Errorf("add names to %s: %w", want.CertPath(), err)
	}
	return []NamedFile{{want.CertPath(), secret.NewBytes(made), 0o644}}, nil
}

// withNames is a certificate for the key of have, with the names that it has
// and those that want asks for.
func withNames(want Spec, have, ca Pair, now time.Time) ([]byte, error) {
	spec, err := Renewed(want, have.Cert)
	if err != nil {
		return nil, err
	}
	names := sans{dns: spec.DNSNames, ips: spec.IPs}
	names.addName(want.DNSNames...)
	names.addIP(want.IPs...)
	names = names.sorted()
	spec.DNSNames, spec.IPs = names.dns, names.ips
	issuer, err := decodeAuthority(ca)
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(have.Key)
	if err != nil {
		return nil, err
	}
	made, err := issue(spec, key, issuer, now)
	return made.Cert, err
}

// ReplaceServer gives the cluster of a kubeconfig's current context another
// server; of one that has no contexts, as cluster-info, every cluster. All else
// stays, the layout too where that can be.
func ReplaceServer(data secret.Bytes, server string) (secret.Bytes, error) {
	old, err := ServerOf(data)
	if err != nil {
		return secret.Bytes{}, err
	}
	if old == server {
		return data, nil
	}
	if out, ok := replaceLine(data.Reveal(), old, server); ok {
		if now, err := ServerOf(secret.NewBytes(out)); err == nil && now == server {
			return secret.NewBytes(out), nil
		}
	}
	d, servers, err := serversOf(data)
	if err != nil {
		return secret.Bytes{}, err
	}
	for _, s := range servers {
		s["server"] = server
	}
	out, err := yaml.Marshal(d)
	if err != nil {
		return secret.Bytes{}, errNotKubeconfig
	}
	return secret.NewBytes(out), nil
}

// ServerOf is where a kubeconfig says that its cluster is.
func ServerOf(data secret.Bytes) (string, error) {
	_, servers, err := serversOf(data)
	if err != nil {
		return "", err
	}
	server, ok := servers[0]["server"].(string)
	if !ok || server == "" {
		return "", errNotKubeconfig
	}
	return server, nil
}

// serversOf is a kubeconfig and what it holds of the clusters that count: at
// least one.
func serversOf(data secret.Bytes) (d map[string]any, servers []map[string]any, err error) {
	if err := yaml.Unmarshal(data.Reveal(), &d); err != nil {
		return nil, nil, errNotKubeconfig // the parser's message can quote the content
	}
	if current, _ := d["current-context"].(string); current != "" {
		name, _ := named(d, "contexts", current, "context")["cluster"].(string)
		if found := named(d, "clusters", name, "cluster"); found != nil {
			return d, []map[string]any{found}, nil
		}
		return nil, nil, errNotKubeconfig
	}
	entries, _ := d["clusters"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		found, ok := entry["cluster"].(map[string]any)
		if !ok {
			return nil, nil, errNotKubeconfig
		}
		servers = append(servers, found)
	}
	if len(servers) == 0 {
		return nil, nil, errNotKubeconfig
	}
	return d, servers, nil
}

// replaceLine puts another server where the only line with the old one is.
func replaceLine(data []byte, old, server string) ([]byte, bool) {
	var out bytes.Buffer
	found := 0
	for line := range strings.Lines(string(data)) {
		text := strings.TrimSpace(line)
		if name, value, _ := strings.Cut(text, ":"); name == "server" && strings.TrimSpace(value) == old {
			found++
			line = strings.Replace(line, old, server, 1)
		}
		out.WriteString(line)
	}
	return out.Bytes(), found == 1
}
