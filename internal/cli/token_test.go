package cli_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

// running is a control plane whose admin.conf the commands find.
func running(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.run("init", "--config", "c.yaml").is(t, 0)
	admin, ok := r.machine.Content("/etc/kubernetes/admin.conf")
	if !ok {
		t.Fatal("init wrote no admin.conf")
	}
	r.files["/etc/kubernetes/admin.conf"] = admin
	return r
}

func TestTokenCreate(t *testing.T) {
	t.Parallel()
	r := running(t)
	before := r.store.Snapshot()
	r.run("token", "create", "--dry-run").is(t, 0, "create   bootstrap token ", "token create: 1 changes; nothing was changed")
	if r.store.Snapshot() != before {
		t.Error("a dry run changed the cluster")
	}
	made := strings.TrimSpace(r.run("token", "create").is(t, 0).out)
	if !regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`).MatchString(made) {
		t.Fatalf("printed %q", made)
	}
	r.run("token", "list").is(t, 0, made+"   23h", "authentication,signing", "<none>", "system:bootstrappers:kubeadm:default-node-token",
		"TOKEN                     TTL       EXPIRES                USAGES                   DESCRIPTION   EXTRA GROUPS\n")

	r.stdin = "sssttt.0123456789abcdef\n"
	join := r.run("token", "create", "-", "--print-join-command", "--ttl", "0", "--description", "rack 7").is(t, 0).out
	if want := "clusteradm join 192.0.2.10:6443 --token sssttt.0123456789abcdef --discovery-token-ca-cert-hash sha256:"; !strings.HasPrefix(join, want) || strings.Count(join, "\n") != 1 {
		t.Errorf("printed %q", join)
	}
	r.run("token", "list").is(t, 0, "<forever>", "<never>", "rack 7")
	key := strings.Repeat("a1", 32)
	r.run("token", "create", "--print-join-command", "--certificate-key", key).is(t, 0, " --control-plane --certificate-key "+key)
	r.run("token", "create", "--ttl", "30s").is(t, 0, "[WARNING] token ", "expires in 30s")
	r.run("token", "create", "--groups", "system:bootstrappers:mine", "--usages", "authentication").is(t, 0)
	r.run("token", "list").is(t, 0, "system:bootstrappers:mine")

	r.files["tokens.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens:\n- {token: aaaaaa.0123456789abcdef, ttl: 1h}\n- {token: bbbbbb.0123456789abcdef, usages: [signing]}\n"
	r.run("token", "create", "--config", "tokens.yaml").is(t, 0, "aaaaaa.0123456789abcdef")
	r.run("token", "list").is(t, 0, "aaaaaa.", "bbbbbb.")
	if o := objects(t, r.run("token", "create", "--print-join-command", "-o", "json").is(t, 0).out)[0]; o["kind"] != "result" || o["token"] == "" || !strings.Contains(o["joinCommand"].(string), "--token "+o["token"].(string)) {
		t.Errorf("as JSON: %v", o)
	}
}

func TestTokenListIsKubeadmsAsJSON(t *testing.T) {
	t.Parallel()
	r := running(t)
	r.run("token", "create", "sssttt.0123456789abcdef", "--ttl", "2h", "--description", "rack 7").is(t, 0)
	var found struct {
		Kind, APIVersion, Token, Description string
		Expires                              time.Time
		Usages, Groups                       []string
	}
	lines := strings.Split(strings.TrimSpace(r.run("token", "list", "-o", "json").is(t, 0).out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &found); err != nil {
		t.Fatal(err)
	}
	left := time.Until(found.Expires)
	if found.Kind != "BootstrapToken" || found.APIVersion != "output.kubeadm.k8s.io/v1alpha3" || found.Token != "sssttt.0123456789abcdef" ||
		found.Description != "rack 7" || len(found.Usages) != 2 || len(found.Groups) != 1 || left < 119*time.Minute || left > 2*time.Hour {
		t.Errorf("listed %+v", found)
	}
}

func TestTokenDelete(t *testing.T) {
	t.Parallel()
	r := running(t)
	for _, made := range []string{"aaaaaa.0123456789abcdef", "bbbbbb.0123456789abcdef", "cccccc.0123456789abcdef"} {
		r.run("token", "create", made).is(t, 0)
	}
	r.run("token", "delete", "aaaaaa", "--dry-run").is(t, 0, "delete   bootstrap token aaaaaa", "nothing was changed")
	r.run("token", "delete", "aaaaaa").is(t, 0, `bootstrap token "aaaaaa" deleted`)
	r.run("token", "delete", "aaaaaa").is(t, 1, "error: delete bootstrap token aaaaaa: the cluster has none of that id", "hint: clusteradm token list")
	// One that is wrong does not keep the others.
	r.run("token", "delete", "zzzzzz", "bbbbbb.0123456789abcdef").is(t, 1, `bootstrap token "bbbbbb" deleted`, "delete bootstrap token zzzzzz")
	r.stdin = "cccccc.0123456789abcdef\n\n"
	if o := objects(t, r.run("token", "delete", "-", "-o", "json").is(t, 0).out)[0]; o["deleted"].([]any)[0] != "cccccc" {
		t.Errorf("as JSON: %v", o)
	}
	if left := r.run("token", "list").out; strings.Contains(left, "0123456789abcdef") || !strings.Contains(left, canary) {
		t.Errorf("left is\n%s", left)
	}
}

func TestTokenGenerate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one, two := r.run("token", "generate").is(t, 0).out, objects(t, r.run("token", "generate", "-o", "json").is(t, 0).out)[0]["token"].(string)
	for _, made := range []string{strings.TrimSuffix(one, "\n"), two} {
		if !regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`).MatchString(made) {
			t.Errorf("generated %q", made)
		}
	}
}

func TestTokenFailures(t *testing.T) {
	t.Parallel()
	r := running(t)
	const half = "s3cr3ts3cr3ts3cr"
	r.files["bad.yaml"] = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens: [{token: \"ABCDEF." + half + "\"}]\n"
	r.run("token", "create", "aaaaaa."+half).is(t, 0)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"create", "aaaaaa." + half}, 1, "there is one already\nhint: clusteradm token delete aaaaaa\n"},
		{[]string{"create", "aaaaaa." + half, "--dry-run"}, 1, "there is one already"},
		{[]string{"create", "AAAAAA." + half}, 2, "is not a bootstrap token"},
		{[]string{"create", "--config", "bad.yaml"}, 2, "bad.yaml"},
		{[]string{"create", "bbbbbb." + half, "--ttl", "-1s"}, 2, "is negative"},
		{[]string{"create", "bbbbbb." + half, "--usages", "flying"}, 2, "flying"},
		{[]string{"create", "bbbbbb." + half, "--groups", "admins"}, 2, "groups begin with system:bootstrappers:"},
		{[]string{"create", "bbbbbb." + half, "--certificate-key", "x"}, 2, "--certificate-key is for --print-join-command"},
		{[]string{"create", "bbbbbb." + half, "--certificate-key", half, "--print-join-command"}, 2, "want 64 hexadecimal digits"},
		{[]string{"create", "-"}, 2, "read stdin: there is nothing in it"},
		{[]string{"delete"}, 2, "clusteradm token delete needs token-id|token"},
		{[]string{"delete", "aaaaaaa." + half}, 2, "read token: want its id"},
		{[]string{"list", "--kubeconfig", "none"}, 1, "read kubeconfig: "},
	} {
		for _, format := range []string{"text", "json"} {
			r.stdin = ""
			got := r.run(append([]string{"token", "-o", format}, c.args...)...)
			if got.code != c.code || format == "text" && !strings.Contains(got.stderr, c.want) && c.want != "bad.yaml" || strings.Contains(got.out+got.stderr, half) {
				t.Errorf("%v: code %d\n%s%s", c.args, got.code, got.out, got.stderr)
			}
		}
	}
	delete(r.files, "/etc/kubernetes/admin.conf")
	r.run("token", "list").is(t, 1, "find kubeconfig: none of /etc/kubernetes/admin.conf is there", "hint: run it on a control plane, or give --kubeconfig")
}
