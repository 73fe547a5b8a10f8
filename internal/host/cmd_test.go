package host_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/secret"
)

func TestExitErrorShowsTheLastLineOfStderr(t *testing.T) {
	for stderr, want := range map[string]string{
		"":                           "run tool -x: exit code 3",
		" \n\n":                      "run tool -x: exit code 3",
		"bad":                        "run tool -x: exit code 3: bad",
		"bad\n":                      "run tool -x: exit code 3: bad",
		"warning: old\nbad: why\n\n": "run tool -x: exit code 3: bad: why",
		"one\r\ntwo\r\n":             "run tool -x: exit code 3: two",
	} {
		err := &host.ExitError{Cmd: "tool -x", Exit: 3, Stderr: stderr}
		if err.Error() != want {
			t.Errorf("%q: %q, want %q", stderr, err, want)
		}
	}
}

func TestReadOnlyCommand(t *testing.T) {
	for line, want := range map[string]bool{
		"systemctl is-active kubelet.service":       true,
		"systemctl is-enabled kubelet.service":      true,
		"systemctl show --property=LoadState x":     true,
		"ss -H -l -t -n -p":                         true,
		"kubelet --version":                         true,
		"uname -r":                                  true,
		"":                                          false,
		"systemctl":                                 false,
		"systemctl start kubelet.service":           false,
		"systemctl restart is-active":               false,
		"systemctl --now is-active kubelet.service": false,
		"/usr/bin/systemctl is-active x":            false,
		"systemctl-is-active x":                     false,
		"ss":                                        false,
		"ss -l -H":                                  false,
		"ss -H -l -t -n -p -K":                      false,
		"uname -r -s":                               false,
		"findmnt --json /var/lib/etcd":              false,
		"ss -H -K dst 10.0.0.1":                     false, // closes connections
		"ss -H -tK":                                 false,
		"ss -H --kill":                              false,
		"ss -H -D /etc/passwd":                      false, // writes a file
		"kubelet":                                   false,
		"kubelet --config=x --version":              false,
		"uname":                                     false,
		"findmnt -J":                                false,
		"sh -c systemctl":                           false,
	} {
		if got := host.ReadOnlyCommand(strings.Fields(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

func TestCheck(t *testing.T) {
	token := secret.NewString("abcdef.0123456789abcdef")
	for name, test := range map[string]struct {
		cmd    host.Cmd
		secret bool // ErrSecretInArgs is expected
		fine   bool
	}{
		"nothing":             {cmd: host.Cmd{}},
		"empty program":       {cmd: host.Cmd{Args: []string{"", "x"}}},
		"plain":               {cmd: host.Cmd{Args: []string{"tool", "--token"}, Secrets: []secret.String{token}}, fine: true},
		"no value":            {cmd: host.Cmd{Args: []string{"tool"}, Secrets: []secret.String{{}}}, fine: true},
		"on stdin and in env": {cmd: host.Cmd{Args: []string{"tool"}, Stdin: []byte(token.Reveal()), Env: []string{"T=" + token.Reveal()}, Secrets: []secret.String{token}}, fine: true},
		"an argument":         {cmd: host.Cmd{Args: []string{"tool", token.Reveal()}, Secrets: []secret.String{token}}, secret: true},
		"inside an argument":  {cmd: host.Cmd{Args: []string{"tool", "--x", "--token=" + token.Reveal()}, Secrets: []secret.String{{}, token}}, secret: true},
	} {
		err := test.cmd.Check()
		if (err == nil) != test.fine || errors.Is(err, host.ErrSecretInArgs) != test.secret {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), token.Reveal()) {
			t.Errorf("%s: shows the secret: %v", name, err)
		}
		// No Query may be laxer than Run.
		if query := test.cmd.CheckQuery(); query == nil || test.secret && !errors.Is(query, host.ErrSecretInArgs) {
			t.Errorf("%s: query: %v", name, query)
		}
	}
}

func TestCheckQuery(t *testing.T) {
	if err := (host.Cmd{Args: []string{"uname", "-r"}}).CheckQuery(); err != nil {
		t.Error(err)
	}
	if err := (host.Cmd{Args: []string{"rm", "-rf", "/x"}}).CheckQuery(); !errors.Is(err, host.ErrNotReadOnly) ||
		err.Error() != "query rm -rf /x: command is not in the read-only table" {
		t.Error(err)
	}
}

func TestExited(t *testing.T) {
	cmd := host.Cmd{Args: []string{"tool"}}
	if err := cmd.Exited(host.Result{Stderr: []byte("warning")}); err != nil {
		t.Errorf("exit code 0: %v", err)
	}
	// One secret may begin another: none of its rest may be left.
	for _, secrets := range [][]secret.String{
		{{}, secret.NewString("abcdef"), secret.NewString("abcdef.0123456789")},
		{secret.NewString("abcdef.0123456789"), secret.NewString("abcdef")},
	} {
		cmd.Secrets = secrets
		err := cmd.Exited(host.Result{Exit: 1, Stderr: []byte("first abcdef\nbad token abcdef.0123456789\n")})
		var exit *host.ExitError
		if !errors.As(err, &exit) || exit.Stderr != "first [redacted]\nbad token [redacted]\n" {
			t.Errorf("%+v", err)
		}
		if err.Error() != "run tool: exit code 1: bad token [redacted]" {
			t.Error(err)
		}
	}
}
