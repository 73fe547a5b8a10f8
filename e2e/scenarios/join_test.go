//go:build e2e

package scenarios

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// Joining as it goes wrong: each failure of discovery with the real API server,
// in time and in its own words; then by file, by URL, with a kubelet that fails,
// and by the real kubeadm with a token of clusteradm's.
func TestJoin(t *testing.T) {
	budget(t, 12*time.Minute)
	ctx, p := t.Context(), newProof(t, "join")
	if p == nil {
		return
	}
	c := up(t, "join", "cp1", "w1", "w2", "w3")
	do(t)(c.Init(ctx))
	j := &joining{t: t, c: c, p: p, node: c.Lab.Node("w1")}
	j.pin = do(t)(c.Pin(ctx))
	j.endpoint = c.ControlPlane().Address() + ":6443"

	j.tokens()
	j.failures()
	j.kubeletThatFails()
	j.byFile()
	j.byURL()

	made := strings.TrimSpace(j.clusteradm("token", "create", "--ttl", "1h"))
	text, err := nodes.Kubeadm{Versions: c.Versions, Node: "w3", Address: c.Lab.Node("w3").Address(), Endpoint: j.endpoint, Token: made, CACertHashes: []string{j.pin}}.JoinConfig()
	must(t, err)
	must(t, c.Lab.Node("w3").WriteFile(ctx, "/root/join.yaml", []byte(text), 0o600))
	do(t)(clusters.Must(ctx, c.Lab.Node("w3"), "kubeadm", "join", "--config", "/root/join.yaml"))
	must(t, c.WaitReady(ctx, 3*time.Minute, "cp1", "w1", "w2", "w3"))
	p.add("the real kubeadm joined w3 with a token made by clusteradm; all nodes Ready")
}

// joining is a cluster that nodes join, and the machine that fails to.
type joining struct {
	t             *testing.T
	c             *clusters.Cluster
	p             *proof
	node          *nodes.Node
	endpoint, pin string
}

// clusteradm runs on the control plane.
func (j *joining) clusteradm(args ...string) string {
	j.t.Helper()
	return do(j.t)(clusters.Must(j.t.Context(), j.c.ControlPlane(), append([]string{clusters.Binary}, args...)...))
}

func (j *joining) kubeadm(args ...string) string {
	j.t.Helper()
	return do(j.t)(clusters.Must(j.t.Context(), j.c.ControlPlane(), append([]string{"kubeadm", "--kubeconfig", clusters.Kubeconfig}, args...)...))
}

// tokens has the real kubeadm judge the token commands.
func (j *joining) tokens() {
	t := j.t
	join := j.clusteradm("token", "create", "judged.0123456789abcdef", "--ttl", "2h", "--description", "rack 7", "--print-join-command")
	if want := fmt.Sprintf("clusteradm join %s --token judged.0123456789abcdef --discovery-token-ca-cert-hash %s\n", j.endpoint, j.pin); join != want {
		t.Errorf("the join command is %q, want %q", join, want)
	}
	if theirs, ours := j.kubeadm("token", "list"), j.clusteradm("token", "list"); !sameTable(theirs, ours) || !strings.Contains(ours, "rack 7") {
		t.Errorf("kubeadm lists\n%s\nclusteradm\n%s", theirs, ours)
	}
	if theirs, ours := objectsOf(t, j.kubeadm("token", "list", "-o", "json")), objectsOf(t, j.clusteradm("token", "list", "-o", "json")); theirs != ours || !strings.Contains(ours, "judged") {
		t.Errorf("kubeadm lists\n%s\nclusteradm\n%s", theirs, ours)
	}
	j.kubeadm("token", "create", "theirs.0123456789abcdef")
	if list := j.clusteradm("token", "list"); !strings.Contains(list, "theirs.0123456789abcdef") {
		t.Errorf("clusteradm does not list kubeadm's token:\n%s", list)
	}
	j.clusteradm("token", "delete", "theirs", "judged.0123456789abcdef")
	if list := j.kubeadm("token", "list"); strings.Contains(list, "theirs") || strings.Contains(list, "judged") {
		t.Errorf("kubeadm lists deleted tokens:\n%s", list)
	}
	j.p.add("kubeadm token list, as text and as JSON, and clusteradm token list say the same; each sees what the other made and deleted")
}

// sameTable compares tables without their widths, and without lifetimes, which go on.
func sameTable(a, b string) bool {
	fold := func(s string) string {
		s = regexp.MustCompile(` +`).ReplaceAllString(s, " ")
		return regexp.MustCompile(`(?m) (\d+[hms])+ | +$`).ReplaceAllString(s, " ")
	}
	return strings.TrimSpace(fold(a)) == strings.TrimSpace(fold(b))
}

// objectsOf is a stream of JSON in one form.
func objectsOf(t *testing.T, text string) string {
	t.Helper()
	decoder, out := json.NewDecoder(strings.NewReader(text)), ""
	for decoder.More() {
		var object map[string]any
		must(t, decoder.Decode(&object))
		line, err := json.Marshal(object)
		must(t, err)
		out += string(line) + "\n"
	}
	return out
}

// within is how soon a join has to know that it cannot find its cluster.
const within = 3 * time.Second

// fails runs a join that must end in time, with exit code 1, saying each of
// want.
func (j *joining) fails(what string, argv []string, want ...string) {
	j.t.Helper()
	started := time.Now()
	r, err := j.node.Run(j.t.Context(), nil, argv...)
	took := time.Since(started)
	must(j.t, err)
	if r.Exit != 1 || took > within {
		j.t.Errorf("%s: exit %d after %s\n%s%s", what, r.Exit, took, r.Stdout, r.Stderr)
	}
	for _, text := range want {
		if !strings.Contains(r.Stderr, text) {
			j.t.Errorf("%s: does not say %q:\n%s", what, text, r.Stderr)
		}
	}
	j.p.add("%s: told after %s: %s", what, took.Round(10*time.Millisecond), errorLine(r.Stderr))
}

func errorLine(s string) string {
	_, rest, _ := strings.Cut(s, "error: ")
	line, _, _ := strings.Cut(rest, "\n")
	return line
}

func (j *joining) join(endpoint, token, pin string) []string {
	return []string{clusters.Binary, "join", endpoint, "--token", token, "--discovery-token-ca-cert-hash", pin}
}

func (j *joining) failures() {
	t, c, lab := j.t, j.c, nodes.LabToken
	host := c.ControlPlane().Address()
	const another = "hint: on a control plane run: clusteradm token create --print-join-command"
	j.fails("nothing listens", j.join(host+":6444", lab, j.pin), "API server is not reachable: connection refused", "hint: on a control plane run: ss -ltn 'sport = :6444'")
	j.fails("no such name", j.join("api.cluster.invalid:6443", lab, j.pin), "name does not resolve", "hint: check the endpoint's spelling")
	j.fails("no route", j.join("203.0.113.1:6443", lab, j.pin), "API server is not reachable: no ", "203.0.113.1")
	must(t, j.node.Partition(t.Context(), c.ControlPlane()))
	j.fails("packets are dropped", j.join(j.endpoint, lab, j.pin), "API server is not reachable: no answer from "+j.endpoint, "hint: check the address, and the firewalls on the way")
	must(t, j.node.Heal(t.Context()))
	j.fails("wrong pin", j.join(j.endpoint, lab, "sha256:"+strings.Repeat("0a", 32)), "cluster CA is not a pinned one: it has "+j.pin, "clusteradm token create --print-join-command")
	j.fails("unknown token", j.join(j.endpoint, "zzzzzz.0123456789abcdef", j.pin), "token expired or unknown", another)
	j.fails("wrong half of a token", j.join(j.endpoint, lab[:7]+"zzzzzzzzzzzzzzzz", j.pin), "signature does not match the token", "clusteradm token create --print-join-command")
	j.clusteradm("token", "create", "signer.0123456789abcdef", "--usages", "signing")
	j.signed("signer", true)
	j.fails("a token that is not for authentication", j.join(j.endpoint, "signer.0123456789abcdef", j.pin), "the cluster does not accept the token", another)

	expires := j.clusteradm("token", "create", "shortt.0123456789abcdef", "--ttl", "5s")
	j.signed("shortt", true)
	j.signed("shortt", false)
	j.fails("expired token", j.join(j.endpoint, strings.TrimSpace(expires), j.pin), "token expired or unknown", another)

	j.clockFailures()

	// Without any token nothing is signed. In a cluster that is not a minute
	// old the first signature would be waited for.
	j.clusteradm("token", "delete", lab[:6], "signer")
	j.signed("", false)
	must(t, clusters.Eventually(t.Context(), 2*time.Minute, "a cluster that is not young", func() error {
		out, err := c.Kubectl(t.Context(), "-n", "kube-public", "get", "configmap", "cluster-info", "-o", "jsonpath={.metadata.creationTimestamp}")
		if err != nil {
			return err
		}
		made, err := time.Parse(time.RFC3339, out)
		if err == nil && time.Since(made) < 61*time.Second {
			err = fmt.Errorf("made at %s", made)
		}
		return err
	}))
	j.fails("cluster-info is not signed", j.join(j.endpoint, lab, j.pin), "cluster-info is not signed", "clusteradm token create --print-join-command", "kube-controller-manager")
	j.clusteradm("token", "create", lab)
	j.signed(lab[:6], true)
}

// signed waits until cluster-info has a signature for a token's id, or none.
func (j *joining) signed(id string, want bool) {
	j.t.Helper()
	must(j.t, clusters.Eventually(j.t.Context(), 2*time.Minute, "the signature for "+id, func() error {
		out, err := j.c.Kubectl(j.t.Context(), "-n", "kube-public", "get", "configmap", "cluster-info", "-o", "jsonpath={.data}")
		if err == nil && strings.Contains(out, "jws-kubeconfig-"+id) != want {
			err = fmt.Errorf("cluster-info has %s", out)
		}
		return err
	}))
}

// clockFailures has the API server serve a certificate from the future: to the
// joining node that is a clock that is behind.
func (j *joining) clockFailures() {
	t, cp := j.t, j.c.ControlPlane()
	const path = "/etc/kubernetes/pki/apiserver.crt"
	real, err := cp.ReadFile(t.Context(), path)
	must(t, err)
	future, err := reissue(t, cp, real, time.Now().Add(48*time.Hour), time.Now().Add(72*time.Hour))
	must(t, err)
	j.serve(future, "a certificate from the future")
	j.fails("a certificate from the future", j.join(j.endpoint, nodes.LabToken, j.pin), "certificate is not valid at this machine's time", "is not valid before", "the API server's clock says the same", "hint: compare this machine's clock", "clusteradm certs renew all")
	j.serve(real, "the certificate as it was")
}

// serve has the API server serve a certificate.
func (j *joining) serve(cert []byte, served string) {
	const path = "/etc/kubernetes/pki/apiserver.crt"
	t, cp := j.t, j.c.ControlPlane()
	t.Helper()
	must(t, cp.WriteFile(t.Context(), path, cert, 0o644))
	must(t, clusters.Eventually(t.Context(), 2*time.Minute, served, func() error {
		out, err := cp.Output(t.Context(), "sh", "-c", "openssl s_client -connect "+j.endpoint+" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256; openssl x509 -noout -fingerprint -sha256 -in "+path)
		if lines := strings.Fields(out); err == nil && (len(lines) < 4 || lines[1] != lines[3]) {
			err = fmt.Errorf("fingerprints %q", out)
		}
		return err
	}))
}

// kubeletThatFails is told at once, and what it left is no obstacle.
func (j *joining) kubeletThatFails() {
	t, ctx := j.t, j.t.Context()
	must(t, j.c.WriteJoinConfig(ctx, j.node, "/root/join.yaml"))
	good, err := j.node.ReadFile(ctx, "/root/join.yaml")
	must(t, err)
	bad := strings.Replace(string(good), "  kubeletExtraArgs:\n", "  kubeletExtraArgs:\n  - name: no-such-flag\n    value: \"1\"\n", 1)
	must(t, j.node.WriteFile(ctx, "/root/bad.yaml", []byte(bad), 0o600))
	started := time.Now()
	r, err := j.node.Run(ctx, nil, clusters.Binary, "join", "--config", "/root/bad.yaml")
	must(t, err)
	took := time.Since(started)
	if r.Exit != 6 || took > time.Minute || !strings.Contains(r.Stderr, "kubelet.service") || !strings.Contains(r.Stderr, "no-such-flag") || !strings.Contains(r.Stderr, "hint: journalctl -u kubelet.service -n 50") {
		t.Errorf("a kubelet that fails: exit %d after %s\n%s", r.Exit, took, r.Stderr)
	}
	j.p.add("a kubelet that does not know one of its flags: told after %s", took.Round(100*time.Millisecond))
}

// byFile joins w1 with what the administrator's kubeconfig says: its client
// certificate does instead of a token.
func (j *joining) byFile() {
	t, ctx := j.t, j.t.Context()
	admin, err := j.c.ControlPlane().ReadFile(ctx, clusters.Kubeconfig)
	must(t, err)
	must(t, j.node.WriteFile(ctx, "/root/cluster.conf", admin, 0o600))
	j.discover(j.node, "{file: {kubeConfigPath: /root/cluster.conf}}")
	do(t)(clusters.Must(ctx, j.node, clusters.Binary, "join", "--config", "/root/join.yaml"))
	must(t, j.c.WaitReady(ctx, 3*time.Minute, "w1"))
	j.p.add("w1 joined by a discovery file with a client certificate, over what the failed join had left")
}

// byURL joins w2 with a file that a server on the bridge has.
func (j *joining) byURL() {
	t, ctx, node := j.t, j.t.Context(), j.c.Lab.Node("w2")
	ca, err := j.c.ControlPlane().ReadFile(ctx, "/etc/kubernetes/pki/ca.crt")
	must(t, err)
	made := strings.TrimSpace(j.clusteradm("token", "create"))
	file := discoveryFile("https://"+j.endpoint, ca, made)
	site := newSite(t, j.c.Lab.Gateway(), func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/cluster.conf" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(file))
	})
	must(t, node.WriteFile(ctx, "/root/site.crt", site.ca, 0o644))
	known := func(args ...string) []string {
		return append([]string{"env", "SSL_CERT_FILE=/root/site.crt", clusters.Binary, "join"}, args...)
	}
	j.node = node
	j.fails("a URL whose server is not known", []string{clusters.Binary, "join", "--discovery-file", site.url + "/cluster.conf"}, "of no authority that this machine trusts", "hint: add the authority")
	j.fails("a URL that is not there", known("--discovery-file", site.url+"/other.conf"), "answers with HTTP 404")
	address, err := url.Parse(site.url)
	must(t, err)
	j.fails("a URL where nothing listens", known("--discovery-file", "https://"+address.Hostname()+":1/cluster.conf"), "connection refused")
	j.discover(node, "{file: {kubeConfigPath: '"+site.url+"/cluster.conf'}}")
	do(t)(clusters.Must(ctx, node, known("--config", "/root/join.yaml")...))
	must(t, j.c.WaitReady(ctx, 3*time.Minute, "w2"))
	j.p.add("w2 joined by a discovery file from an https URL")
}

// discover writes the lab's join configuration with another discovery.
func (j *joining) discover(n *nodes.Node, discovery string) {
	t, ctx := j.t, j.t.Context()
	must(t, j.c.WriteJoinConfig(ctx, n, "/root/join.yaml"))
	text, err := n.ReadFile(ctx, "/root/join.yaml")
	must(t, err)
	head, rest, _ := strings.Cut(string(text), "discovery:\n")
	_, rest, _ = strings.Cut(rest, "nodeRegistration:\n")
	must(t, n.WriteFile(ctx, "/root/join.yaml", []byte(head+"discovery: "+discovery+"\nnodeRegistration:\n"+rest), 0o600))
}
