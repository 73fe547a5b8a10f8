package discovery

import (
	"encoding/base64"
	"errors"
	"io/fs"
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
	info, err := File([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if info.Server != "https://a:6443" || info.ClusterName != "prod" || string(info.CA) != string(ca.pem) || !info.HasCredentials() || info.Token.Reveal() != canary || string(info.Kubeconfig.Reveal()) != text {
		t.Errorf("info = %+v", info)
	}
	// cluster-info's own kubeconfig is a discovery file without credentials.
	info, err = File([]byte(clusterInfoData(t, ca.pem, "")[kubeconfigKey]), nil)
	if err != nil || info.HasCredentials() || info.ClusterName != "kubernetes" {
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
		"a program":      discoveryFile(data, "exec: {command: /bin/"+canary+"}"),
		"half a pair":    discoveryFile(data, "client-key-data: "+base64.StdEncoding.EncodeToString([]byte(canary))),
		"undefined user": strings.ReplaceAll(text, "users: [{name: u", "users: [{name: v"),
	} {
		if _, err := File([]byte(text), nil); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: File = %v", name, err)
		}
	}
}

// A file of this machine may refer to others; what it holds goes on embedded.
func TestFileReadsWhatItRefersTo(t *testing.T) {
	ca := usualAuthority(t)
	cert, key := ca.client(t)
	files := map[string][]byte{"/ca.crt": ca.pem, "me.crt": cert, "me.key": key, "/token": []byte(canary + "\n")}
	read := func(path string) ([]byte, error) {
		if data, ok := files[path]; ok {
			return data, nil
		}
		return nil, fs.ErrNotExist
	}
	info, err := File([]byte(discoveryFile("certificate-authority: /ca.crt", "client-certificate: me.crt, client-key: me.key, tokenFile: /token")), read)
	if err != nil || string(info.CA) != string(ca.pem) || string(info.Cert) != string(cert) || string(info.Key.Reveal()) != string(key) || info.Token.Reveal() != canary {
		t.Errorf("info = %+v, %v", info, err)
	}
	if _, err := File([]byte(discoveryFile("certificate-authority: /other.crt", "token: x")), read); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "certificate-authority: ") {
		t.Errorf("a file that is not there: %v", err)
	}
	other, _ := ca.client(t)
	files["me.crt"] = other
	if _, err := File([]byte(discoveryFile("certificate-authority: /ca.crt", "client-certificate: me.crt, client-key: me.key")), read); err == nil || !strings.Contains(err.Error(), "do not go together") {
		t.Errorf("a certificate of another key: %v", err)
	}
}

func TestPins(t *testing.T) {
	one, two := usualAuthority(t), usualAuthority(t)
	pins, err := Pins(append(append([]byte(nil), one.pem...), two.pem...))
	if err != nil || len(pins) != 2 || pins[1] != Pin(two.cert) {
		t.Errorf("Pins = %v, %v", pins, err)
	}
}
