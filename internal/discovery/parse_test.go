package discovery

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func TestVerifyPinReturnsOnlyThePinned(t *testing.T) {
	one, two := usualAuthority(t), usualAuthority(t)
	bundle := append(append([]byte(nil), one.pem...), two.pem...)
	certs, err := VerifyPin(bundle, []string{Pin(two.cert)})
	if err != nil || len(certs) != 1 || !certs[0].Equal(two.cert) {
		t.Errorf("VerifyPin = %d certificates, %v", len(certs), err)
	}
	if _, err := VerifyPin(one.pem, []string{Pin(two.cert)}); !errors.Is(err, ErrPin) {
		t.Errorf("VerifyPin of another CA = %v", err)
	}
	if _, err := VerifyPin([]byte("x"), []string{Pin(two.cert)}); err == nil {
		t.Error("VerifyPin of no certificate worked")
	}
}

func discoveryFile(ca, user string) string {
	return "current-context: c\nclusters: [{name: prod, cluster: {server: 'https://a:6443', " + ca + "}}]\n" +
		"contexts: [{name: c, context: {cluster: prod, user: u}}]\nusers: [{name: u, user: {" + user + "}}]\n"
}

func TestFile(t *testing.T) {
	ca := usualAuthority(t)
	data := "certificate-authority-data: " + base64.StdEncoding.EncodeToString(ca.pem)
	text := discoveryFile(data, "token: "+canary)
	info, err := File([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if info.Server != "https://a:6443" || info.ClusterName != "prod" || string(info.CA) != string(ca.pem) || !info.HasCredentials || string(info.Kubeconfig.Reveal()) != text {
		t.Errorf("info = %+v", info)
	}
	// cluster-info's own kubeconfig is a discovery file without credentials.
	info, err = File([]byte(clusterInfoData(t, ca.pem, "")[kubeconfigKey]))
	if err != nil || info.HasCredentials || info.ClusterName != "kubernetes" {
		t.Errorf("File = %+v, %v", info, err)
	}
	for name, text := range map[string]string{
		"no document":    canary + ": {",
		"CA as a path":   discoveryFile("certificate-authority: /ca.crt", "token: "+canary),
		"no CA":          discoveryFile("x: y", "token: "+canary),
		"key as a path":  discoveryFile(data, "client-key: /client.key, token: "+canary),
		"token in file":  discoveryFile(data, "tokenFile: /token"),
		"plain http":     strings.ReplaceAll(text, "https:", "http:"),
		"no context":     strings.ReplaceAll(text, "current-context: c", "current-context: d"),
		"undefined user": strings.ReplaceAll(text, "users: [{name: u", "users: [{name: v"),
	} {
		if _, err := File([]byte(text)); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: File = %v", name, err)
		}
	}
}
