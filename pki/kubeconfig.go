package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Kubeconfig is what the current context of a kubeconfig comes down to.
type Kubeconfig struct {
	Cluster, Server, User string

	CA     []byte // PEM
	CAFile string

	Cert              []byte // PEM
	Key               secret.Bytes
	CertFile, KeyFile string
	Token             secret.String
}

// EncodeKubeconfig returns the kubeconfig of k, byte for byte as kubeadm would
// write it.
func EncodeKubeconfig(k KubeconfigSpec, caPEM, certPEM []byte, keyPEM secret.Bytes) secret.Bytes {
	return encode(k.Cluster, k.Server, k.Client.CommonName, caPEM, userInfo{CertData: certPEM, KeyData: keyPEM.Reveal()})
}

// EncodeTokenKubeconfig returns the kubeconfig with which a kubelet asks for
// its certificate: bootstrap-kubelet.conf. The cluster is always called
// kubernetes in it, as a joining kubeadm does not know the cluster's own name.
func EncodeTokenKubeconfig(server string, caPEM []byte, token secret.String) secret.Bytes {
	return encode("kubernetes", server, bootstrapUser, caPEM, userInfo{Token: token.Reveal()})
}

// EncodeBootstrapKubeconfig is EncodeTokenKubeconfig for who has a client
// certificate, a token, or both, as a discovery file may bring them.
func EncodeBootstrapKubeconfig(server string, caPEM, certPEM []byte, keyPEM secret.Bytes, token secret.String) secret.Bytes {
	return encode("kubernetes", server, bootstrapUser, caPEM, userInfo{CertData: certPEM, KeyData: keyPEM.Reveal(), Token: token.Reveal()})
}

// EncodeKubeletKubeconfig returns a kubelet.conf that refers to the certificate
// that the kubelet renews by itself.
func EncodeKubeletKubeconfig(clusterName, server, node string, caPEM []byte) secret.Bytes {
	return encode(clusterName, server, nodeUser(node), caPEM,
		userInfo{Cert: cluster.KubeletClientPEM, Key: cluster.KubeletClientPEM})
}

const bootstrapUser = "tls-bootstrap-token-user"

func encode(clusterName, server, user string, caPEM []byte, info userInfo) secret.Bytes {
	context := user + "@" + clusterName
	data, err := yaml.Marshal(document{
		APIVersion: "v1", Kind: "Config", CurrentContext: context,
		Clusters: []namedCluster{{clusterName, clusterInfo{Server: server, CAData: caPEM}}},
		Contexts: []namedContext{{context, contextInfo{clusterName, user}}},
		Users:    []namedUser{{user, info}},
	})
	if err != nil {
		panic("pki: strings and bytes did not encode: " + err.Error()) // cannot happen
	}
	return secret.NewBytes(data)
}

// DecodeKubeconfig reads what the current context refers to. Everything that
// it names must be there; fields that say nothing about identity are ignored.
func DecodeKubeconfig(data secret.Bytes) (Kubeconfig, error) {
	var d document
	if err := yaml.Unmarshal(data.Reveal(), &d); err != nil {
		// The parser's message can quote the content, which is secret.
		return Kubeconfig{}, errors.New("decode kubeconfig: not a valid yaml document of that kind")
	}
	if d.Kind != "" && d.Kind != "Config" || d.APIVersion != "" && d.APIVersion != "v1" {
		return Kubeconfig{}, fmt.Errorf("decode kubeconfig: it is a %s %s", d.APIVersion, d.Kind)
	}
	c, ok := d.context(d.CurrentContext)
	if !ok {
		return Kubeconfig{}, fmt.Errorf("decode kubeconfig: no context %q", d.CurrentContext)
	}
	k := Kubeconfig{Cluster: c.Cluster, User: c.User}
	server, ok := d.cluster(c.Cluster)
	if !ok || server.Server == "" {
		return Kubeconfig{}, fmt.Errorf("decode kubeconfig: no server of cluster %q", c.Cluster)
	}
	k.Server, k.CA, k.CAFile = server.Server, server.CAData, server.CA
	info, ok := d.user(c.User)
	if !ok {
		return Kubeconfig{}, fmt.Errorf("decode kubeconfig: no user %q", c.User)
	}
	k.Cert, k.Key, k.CertFile, k.KeyFile = info.CertData, secret.NewBytes(info.KeyData), info.Cert, info.Key
	k.Token = secret.NewString(info.Token)
	if len(k.CA) > 0 {
		if _, err := decodeCerts(k.CA); err != nil {
			return Kubeconfig{}, fmt.Errorf("decode kubeconfig: certificate authority: %w", err)
		}
	}
	if len(k.Cert) > 0 {
		if _, err := decodeCerts(k.Cert); err != nil {
			return Kubeconfig{}, fmt.Errorf("decode kubeconfig: client certificate: %w", err)
		}
	}
	if !k.Key.Empty() {
		if _, err := decodeKey(k.Key); err != nil {
			return Kubeconfig{}, fmt.Errorf("decode kubeconfig: client key: %w", err)
		}
	}
	return k, nil
}

// ValidKubeconfig says whether data is a kubeconfig as k asks for: server, CA,
// user, and a client certificate that is valid under the CA. Of a certificate
// or CA that it only refers to by file name nothing is said. The groups are not
// compared: kubeadm before 1.29 gave the administrator others.
func ValidKubeconfig(k KubeconfigSpec, data secret.Bytes, caPEM []byte, now time.Time) error {
	got, err := DecodeKubeconfig(data)
	if err != nil {
		return &CheckError{k.Path, Damaged, err.Error(), hintRestore}
	}
	hint := "rm " + k.Path + "; clusteradm init phase kubeconfig " + k.Name
	roots, err := decodeCerts(caPEM)
	if err != nil {
		return &CheckError{Spec{Dir: k.Client.Dir, Base: k.Client.CABase}.CertPath(), Damaged, err.Error(), hintRestore}
	}
	if !trusts(got, roots) {
		return &CheckError{k.Path, Issuer, "it does not trust ca " + k.Client.CA, hint}
	}
	switch {
	case got.CertFile != "" && got.KeyFile != "" && len(got.Cert) == 0:
	case len(got.Cert) == 0 || got.Key.Empty():
		return &CheckError{k.Path, Missing, "it has no client certificate and key", hint}
	default:
		if err := checkClient(k, got, roots, now, hint); err != nil {
			return err
		}
	}
	if got.Server != k.Server {
		return &CheckError{k.Path, Server, "it names the server " + got.Server + ", not " + k.Server, hint}
	}
	return nil
}

func checkClient(k KubeconfigSpec, got Kubeconfig, roots []*x509.Certificate, now time.Time, hint string) error {
	certs, err := decodeCerts(got.Cert)
	if err != nil {
		return &CheckError{k.Path, Damaged, err.Error(), hint}
	}
	key, err := decodeKey(got.Key)
	if err != nil {
		return &CheckError{k.Path, Damaged, err.Error(), hint}
	}
	if !sameKey(certs[0].PublicKey, key.Public()) {
		return &CheckError{k.Path, Key, "its key is not that of its certificate", hint}
	}
	if name := certs[0].Subject.CommonName; name != k.Client.CommonName {
		return &CheckError{k.Path, Identity, "its certificate is for " + name + ", not " + k.Client.CommonName, hint}
	}
	if err := checkLeaf(k.Path, k.Client, certs, roots, now); err != nil {
		if check := (*CheckError)(nil); errors.As(err, &check) {
			check.Hint = hint // there is no file of the certificate alone
			if check.Problem == Expired && now.After(certs[0].NotAfter) {
				check.Hint = renewHint(renewName(k))
			}
		}
		return err
	}
	return nil
}

// renewName is under which name a kubeconfig's certificate is renewed. The
// kubelet's has none of its own.
func renewName(k KubeconfigSpec) string {
	if k.Path == cluster.KubeletConf {
		return "all"
	}
	return path.Base(k.Path)
}

// trusts asks for one CA in common, so that a change of CAs can have two.
func trusts(k Kubeconfig, roots []*x509.Certificate) bool {
	if len(k.CA) == 0 {
		return k.CAFile != ""
	}
	certs, err := decodeCerts(k.CA)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return slices.ContainsFunc(roots, c.Equal) })
}

// EncodeClusterInfo renders the kubeconfig of ConfigMap cluster-info: where the
// cluster is and what to trust, of nobody. Its bytes are what tokens sign.
func EncodeClusterInfo(server string, caPEM []byte) secret.Bytes {
	d := document{APIVersion: "v1", Kind: "Config", Clusters: []namedCluster{{Cluster: clusterInfo{Server: server, CAData: caPEM}}}}
	data, err := yaml.Marshal(d)
	if err != nil {
		panic("pki: strings and bytes did not encode: " + err.Error()) // cannot happen
	}
	return secret.NewBytes(data)
}
