package pki_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// The certificate is for all that it was for and for the new name, with its
// own key.
func TestAddNames(t *testing.T) {
	c, files := controlPlane(t)
	n := newNode()
	c.APIServer.CertSANs = []string{"extra.example.com"}
	first, err := pki.AddNames(files, c, n, now())
	if err != nil || len(first) != 1 || first[0].Path != dir+"apiserver.crt" || first[0].Mode != 0o644 {
		t.Fatalf("%v, %v", first, err)
	}
	files[first[0].Path] = first[0].Content
	c.APIServer.CertSANs, c.ControlPlaneEndpoint = nil, "k8s.example.com:6443"
	second, err := pki.AddNames(files, c, n, now())
	if err != nil || len(second) != 1 {
		t.Fatal(err)
	}
	files[second[0].Path] = second[0].Content
	cert := parse(t, second[0].Content.Reveal())
	for _, name := range []string{"extra.example.com", "k8s.example.com", "node1", "kubernetes.default.svc.cluster.local", "10.96.0.1", "192.0.2.10"} {
		if err := cert.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if len(cert.DNSNames) != len(slices.Compact(slices.Sorted(slices.Values(cert.DNSNames)))) {
		t.Errorf("names come twice: %v", cert.DNSNames)
	}
	if err := pki.Valid(pki.Tree(c, n)[1], second[0].Content.Reveal(), files[dir+"apiserver.key"], files[dir+"ca.crt"].Reveal(), now()); err != nil {
		t.Error(err)
	}
	if again, err := pki.AddNames(files, c, n, now()); err != nil || len(again) > 0 {
		t.Errorf("a second time: %v, %v", again, err)
	}
}

func TestAddNamesCannot(t *testing.T) {
	c, files := controlPlane(t)
	c.ControlPlaneEndpoint = "k8s.example.com:6443"
	for name, tc := range map[string]struct {
		drop, hint string
		late       bool
	}{
		"no certificate": {dir + "apiserver.crt", "clusteradm init phase certs apiserver", false},
		"external ca":    {dir + "ca.key", "clusteradm certs generate-csr", false},
		"no key":         {dir + "apiserver.key", "restore", false},
		"expired":        {"", "clusteradm certs renew apiserver", true},
	} {
		at := now()
		if tc.late {
			at = later()
		}
		made, err := pki.AddNames(dropped(files, tc.drop), c, newNode(), at)
		var check *pki.CheckError
		if len(made) > 0 || !errors.As(err, &check) || !strings.Contains(check.Hint, tc.hint) {
			t.Errorf("%s: %v, %v", name, made, err)
		}
	}
	if made, err := pki.AddNames(dropped(files, dir+"ca.key"), newCluster(), newNode(), now()); err != nil || len(made) > 0 {
		t.Errorf("nothing is lacking, and the ca is external: %v, %v", made, err)
	}
}

func TestCheckServer(t *testing.T) {
	_, files := controlPlane(t)
	_, others := controlPlane(t)
	der := parse(t, files[dir+"apiserver.crt"].Reveal()).Raw
	ca := files[dir+"ca.crt"].Reveal()
	for name, tc := range map[string]struct {
		der, ca []byte
		host    string
		late    bool
		want    pki.Problem
	}{
		"by its name":    {der, ca, "kubernetes", false, ""},
		"by its address": {der, ca, "192.0.2.10", false, ""},
		"another name":   {der, ca, "k8s.example.com", false, pki.SANs},
		"another ca":     {der, others[dir+"ca.crt"].Reveal(), "kubernetes", false, pki.Issuer},
		"expired":        {der, ca, "kubernetes", true, pki.Expired},
		"a client's":     {parse(t, files[dir+"apiserver-kubelet-client.crt"].Reveal()).Raw, ca, "kubernetes", false, pki.Usages},
		"junk":           {[]byte("junk"), ca, "kubernetes", false, pki.Damaged},
		"no ca":          {der, []byte("junk"), "kubernetes", false, pki.Damaged},
	} {
		at := now()
		if tc.late {
			at = later()
		}
		err := pki.CheckServer("192.0.2.10:6443", tc.der, tc.ca, tc.host, at)
		found := pki.Problem("")
		if check := (*pki.CheckError)(nil); errors.As(err, &check) {
			found = check.Problem
			if check.Hint != "" || check.Path != "192.0.2.10:6443" {
				t.Errorf("%s: %+v", name, check)
			}
		}
		if found != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Layout and what people added stay where one line is to be changed.
func TestReplaceServer(t *testing.T) {
	_, files := controlPlane(t)
	admin := string(files[cluster.AdminConf].Reveal())
	old, err := pki.ServerOf(files[cluster.AdminConf])
	if err != nil {
		t.Fatal(err)
	}
	const server = "https://k8s.example.com:6443"
	twice := strings.Replace(admin, "contexts:\n", "- cluster: {server: \"https://other\"}\n  name: other\n- cluster:\n    server: "+old+"\n  name: same\ncontexts:\n", 1)
	info := pki.EncodeClusterInfo(old, files[dir+"ca.crt"].Reveal())
	for name, data := range map[string]string{"as kubeadm": admin, "with a comment": "# mine\n" + admin, "with others": twice, "cluster-info": string(info.Reveal())} {
		out, err := pki.ReplaceServer(secret.NewBytes([]byte(data)), server)
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := pki.ServerOf(out); err != nil || got != server {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		if want := strings.Replace(data, old, server, 1); name != "with others" && string(out.Reveal()) != want {
			t.Errorf("%s: more was changed:\n%s", name, out.Reveal())
		}
		if name == "with others" && (!strings.Contains(string(out.Reveal()), "https://other") || !strings.Contains(string(out.Reveal()), old)) {
			t.Error("the servers of others were changed")
		}
		if again, err := pki.ReplaceServer(out, server); err != nil || !again.Equal(out) {
			t.Errorf("%s: a second time it differs, %v", name, err)
		}
	}
	for name, data := range map[string]string{"junk": "{", "no cluster": "current-context: a\n", "nothing": "", "no server": "clusters: [{cluster: {}}]\n", "a list": "clusters: [7]\n"} {
		if _, err := pki.ReplaceServer(secret.NewBytes([]byte(data)), server); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
