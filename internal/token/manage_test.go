package token_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	bootstrapapi "k8s.io/cluster-bootstrap/token/api"

	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/token"
)

const id = "abcdef"

func malformed() []string {
	return []string{
		"", ".", id, id + "." + hidden + "0", "abcde." + hidden + "f", "ABCDEF." + hidden, id + "-" + hidden,
		id + "." + hidden[1:] + ".", id + "." + hidden + "\n", "abcdé." + hidden, id + "." + hidden[2:] + "é",
	}
}

func TestParse(t *testing.T) {
	for _, s := range append(malformed(), id+"."+hidden) {
		checkParse(t, s)
	}
}

// checkParse holds Parse against the pattern that the API server goes by.
func checkParse(t *testing.T, s string) {
	t.Helper()
	gotID, gotSecret, err := token.Parse(s)
	if matches := regexp.MustCompile(bootstrapapi.BootstrapTokenPattern).MatchString(s); matches != (err == nil) {
		t.Errorf("Parse(%q) = %v; the pattern matches: %v", s, err, matches)
	}
	switch {
	case err == nil && gotID+"."+gotSecret.Reveal() != s:
		t.Errorf("Parse(%q) = %q", s, gotID)
	case err != nil && s != "" && len(s) > 3 && strings.Contains(err.Error(), s):
		t.Errorf("Parse(%q) repeats it: %v", s, err)
	}
	if short, err := token.ParseID(s); err == nil && (len(short) != 6 || !strings.HasPrefix(s, short)) {
		t.Errorf("ParseID(%q) = %q", s, short)
	}
}

func TestParseID(t *testing.T) {
	for _, s := range []string{id, id + "." + hidden} {
		if got, err := token.ParseID(s); got != id || err != nil {
			t.Errorf("ParseID(%q) = %q, %v", s, got, err)
		}
	}
	if _, err := token.ParseID("ABCDEF"); err == nil {
		t.Error("ABCDEF is taken for an id")
	}
}

func TestCreateAndDelete(t *testing.T) {
	s := kubetest.New()
	object := kubetest.Object(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: bootstrap-token-abcdef, namespace: kube-system}\n")
	if err := token.Create(t.Context(), s, id, object); err != nil {
		t.Fatal(err)
	}
	var exists *token.ExistsError
	if err := token.Create(t.Context(), s, id, object); !errors.As(err, &exists) || exists.Hint() != "clusteradm token delete abcdef" {
		t.Errorf("a second time: %v", err)
	}
	if there, err := token.Exists(t.Context(), s, id); !there || err != nil {
		t.Errorf("exists: %t, %v", there, err)
	}
	if err := token.Delete(t.Context(), s, s, id); err != nil {
		t.Fatal(err)
	}
	var missing *token.MissingError
	if err := token.Delete(t.Context(), s, s, id); !errors.As(err, &missing) || missing.Hint() != "clusteradm token list" {
		t.Errorf("a second time: %v", err)
	}
	s.Down(true)
	if err := token.Delete(t.Context(), s, s, id); err == nil || errors.As(err, &missing) {
		t.Errorf("without an API server: %v", err)
	}
}

func TestLongest(t *testing.T) {
	both := []string{"authentication", "signing"}
	tokens := []token.Token{
		{ID: "gone", Usages: both, Expires: now.Add(-time.Hour)},
		{ID: "short", Usages: both, Expires: now.Add(time.Minute)},
		{ID: "long", Usages: both, Expires: now.Add(time.Hour)},
		{ID: "signs", Usages: both[1:]},
	}
	if best, ok := token.Longest(tokens, now); !ok || best.ID != "long" {
		t.Errorf("the longest is %q", best.ID)
	}
	if best, ok := token.Longest(append(tokens, token.Token{ID: "ever", Usages: both}, tokens[2]), now); !ok || best.ID != "ever" {
		t.Errorf("the longest is %q", best.ID)
	}
	if best, ok := token.Longest(tokens[:1], now); ok {
		t.Errorf("%q joins", best.ID)
	}
}

func TestExpiryWarning(t *testing.T) {
	for in, want := range map[time.Duration]string{59 * time.Second: "token abcdef expires in 59s", -time.Second: "token abcdef expires in 0s", time.Minute: ""} {
		if got := token.ExpiryWarning(id, now.Add(in), now); got != want {
			t.Errorf("%s: %q", in, got)
		}
	}
	if got := token.ExpiryWarning(id, time.Time{}, now); got != "" {
		t.Errorf("for ever: %q", got)
	}
}

func TestJoinCommand(t *testing.T) {
	whole := secret.NewString(id + "." + hidden)
	for server, want := range map[string]string{
		"https://10.0.0.1:6443":     "clusteradm join 10.0.0.1:6443 --token " + id + "." + hidden + " --discovery-token-ca-cert-hash sha256:a --discovery-token-ca-cert-hash sha256:b",
		"https://[fd00::1]:6443":    "clusteradm join [fd00::1]:6443 ",
		"https://api.example.com":   "clusteradm join api.example.com:443 ",
		"https://api.example.com/x": "clusteradm join api.example.com:443 ",
	} {
		if got, err := token.JoinCommand(server, whole, []string{"sha256:a", "sha256:b"}, secret.String{}); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v", server, got, err)
		}
	}
	if got, _ := token.JoinCommand("https://a:1", whole, nil, secret.NewString("k")); !strings.HasSuffix(got, " --control-plane --certificate-key k") {
		t.Errorf("for a control plane: %q", got)
	}
	if _, err := token.JoinCommand("nowhere", whole, nil, secret.String{}); err == nil {
		t.Error("no server worked")
	}
}
