package pki_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func TestKubeconfigsAreThoseOfTheContract(t *testing.T) {
	c := newCluster()
	c.ControlPlaneEndpoint = "api.example.com:7443"
	const shared, local = "https://api.example.com:7443", "https://192.0.2.10:6443"
	var got []string
	for _, k := range pki.KubeconfigSpecs(c, newNode()) {
		got = append(got, strings.Join([]string{k.Name, k.Path, k.Server, k.Client.CommonName, strings.Join(k.Client.Organization, ",")}, " "))
	}
	want := []string{
		"admin /etc/kubernetes/admin.conf " + shared + " kubernetes-admin kubeadm:cluster-admins",
		"super-admin /etc/kubernetes/super-admin.conf " + shared + " kubernetes-super-admin system:masters",
		"kubelet /etc/kubernetes/kubelet.conf " + local + " system:node:node1 system:nodes",
		"controller-manager /etc/kubernetes/controller-manager.conf " + local + " system:kube-controller-manager ",
		"scheduler /etc/kubernetes/scheduler.conf " + local + " system:kube-scheduler ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// document is kubeadm's file, with the user's fields left open.
func document(user, clusterName, server, ca, fields string) string {
	return `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ` + ca + `
    server: ` + server + `
  name: ` + clusterName + `
contexts:
- context:
    cluster: ` + clusterName + `
    user: ` + user + `
  name: ` + user + "@" + clusterName + `
current-context: ` + user + "@" + clusterName + `
kind: Config
users:
- name: ` + user + `
  user:
` + fields
}

func TestEncodeIsKubeadms(t *testing.T) {
	c, n := newCluster(), newNode()
	c.Name = "blue"
	k := pki.KubeconfigSpecs(c, n)[0]
	ca, b64 := []byte("CA"), base64.StdEncoding.EncodeToString
	for name, tc := range map[string]struct {
		got  secret.Bytes
		want string
	}{
		"certificate": {pki.EncodeKubeconfig(k, ca, []byte("CERT"), secret.NewBytes([]byte("KEY"))),
			document("kubernetes-admin", "blue", "https://192.0.2.10:6443", b64(ca),
				"    client-certificate-data: "+b64([]byte("CERT"))+"\n    client-key-data: "+b64([]byte("KEY"))+"\n")},
		"token": {pki.EncodeTokenKubeconfig("https://s:1", ca, secret.NewString("abcdef.0123456789abcdef")),
			document("tls-bootstrap-token-user", "kubernetes", "https://s:1", b64(ca), "    token: abcdef.0123456789abcdef\n")},
		"credentials of a file": {pki.EncodeBootstrapKubeconfig("https://s:1", ca, []byte("CERT"), secret.NewBytes([]byte("KEY")), secret.NewString("t")),
			document("tls-bootstrap-token-user", "kubernetes", "https://s:1", b64(ca),
				"    client-certificate-data: "+b64([]byte("CERT"))+"\n    client-key-data: "+b64([]byte("KEY"))+"\n    token: t\n")},
		"kubelet": {pki.EncodeKubeletKubeconfig("blue", "https://s:1", "node1", ca),
			document("system:node:node1", "blue", "https://s:1", b64(ca),
				"    client-certificate: "+cluster.KubeletClientPEM+"\n    client-key: "+cluster.KubeletClientPEM+"\n")},
	} {
		if got := string(tc.got.Reveal()); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

func TestDecodeKubeconfig(t *testing.T) {
	got, err := pki.DecodeKubeconfig(pki.EncodeTokenKubeconfig("https://s:1", nil, secret.NewString("t")))
	if err != nil || got.Server != "https://s:1" || got.Token.Reveal() != "t" || got.User != "tls-bootstrap-token-user" || got.Cluster != "kubernetes" {
		t.Errorf("got %+v, %v", got, err)
	}
	whole := document("u", "c", "https://s:1", "", "    token: t\n")
	for want, text := range map[string]string{
		"decode kubeconfig: not a valid yaml document of that kind":      "{",
		"decode kubeconfig: it is a v1 Pod":                              "apiVersion: v1\nkind: Pod\n",
		"decode kubeconfig: no context \"\"":                             "",
		"decode kubeconfig: no context \"u@d\"":                          strings.Replace(whole, "current-context: u@c", "current-context: u@d", 1),
		"decode kubeconfig: no server of cluster \"c\"":                  strings.Replace(whole, "  name: c\n", "  name: d\n", 1),
		"decode kubeconfig: no user \"u\"":                               strings.Replace(whole, "- name: u\n", "- name: v\n", 1),
		"decode kubeconfig: certificate authority: no certificate in it": document("u", "c", "https://s:1", "eA==", "    token: t\n"),
		"decode kubeconfig: client certificate: no certificate in it":    document("u", "c", "https://s:1", "", "    client-certificate-data: eA==\n"),
		"decode kubeconfig: client key: no private key in it":            document("u", "c", "https://s:1", "", "    client-key-data: eA==\n"),
	} {
		if _, err := pki.DecodeKubeconfig(secret.NewBytes([]byte(text))); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestValidKubeconfig(t *testing.T) {
	c, n := newCluster(), newNode()
	b := ensure(t, c, n, nil)
	ca, specs := b.Pairs["ca"].Cert, pki.KubeconfigSpecs(c, n)
	admin, kubelet := specs[0], specs[2]
	if err := pki.ValidKubeconfig(kubelet, pki.EncodeKubeletKubeconfig(c.Name, kubelet.Server, n.Name, ca), ca, at(2030)); err != nil {
		t.Errorf("reference to the kubelet's own certificate: %v", err)
	}
	good, err := pki.DecodeKubeconfig(b.Kubeconfigs[admin.Path])
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := pki.DecodeKubeconfig(b.Kubeconfigs[kubelet.Path])
	if err != nil {
		t.Fatal(err)
	}
	moved := admin
	moved.Server = "https://elsewhere:6443"
	for name, tc := range map[string]struct {
		spec pki.KubeconfigSpec
		data secret.Bytes
		ca   []byte
		want pki.Problem
	}{
		"good":       {admin, b.Kubeconfigs[admin.Path], ca, ""},
		"two cas":    {admin, b.Kubeconfigs[admin.Path], append(append([]byte{}, b.Pairs["etcd/ca"].Cert...), ca...), ""},
		"server":     {moved, b.Kubeconfigs[admin.Path], ca, pki.Server},
		"other key":  {admin, pki.EncodeKubeconfig(admin, ca, good.Cert, otherKey.Key), ca, pki.Key},
		"token":      {admin, pki.EncodeTokenKubeconfig(admin.Server, ca, secret.NewString("t")), ca, pki.Missing},
		"other ca":   {admin, b.Kubeconfigs[admin.Path], b.Pairs["etcd/ca"].Cert, pki.Issuer},
		"bad ca":     {admin, b.Kubeconfigs[admin.Path], nil, pki.Damaged},
		"no content": {admin, secret.Bytes{}, ca, pki.Damaged},
	} {
		err := pki.ValidKubeconfig(tc.spec, tc.data, tc.ca, now())
		var check *pki.CheckError
		if errors.As(err, &check); check == nil && tc.want != "" || check != nil && check.Problem != tc.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// kubeadm warns of another server and goes on; so does Ensure.
	if kept, err := pki.Ensure(b, pki.Tree(c, n), []pki.KubeconfigSpec{moved}, now()); err != nil || !kept.Kubeconfigs[admin.Path].Equal(b.Kubeconfigs[admin.Path]) {
		t.Errorf("got %v", err)
	}
}
