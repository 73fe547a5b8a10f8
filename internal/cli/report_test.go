package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/ui"
	"github.com/clusteradm/clusteradm/pki"
	"github.com/clusteradm/clusteradm/preflight"
)

func TestReport(t *testing.T) {
	t.Parallel()
	plain := errors.New("a cause")
	for name, c := range map[string]struct {
		err        error
		text, json string
	}{
		"without a hint": {plain, "error: a cause\n", `{"kind":"error","error":"a cause","code":1}`},
		"usage": {&exit.UsageError{Err: plain, Help: "clusteradm --help"}, "error: a cause\nhint: clusteradm --help\n",
			`{"kind":"error","error":"a cause","code":2,"hints":["clusteradm --help"]}`},
		"configuration": {config.Errors{{Line: 3, Column: 5, Message: "one", Hint: "do this"}, {Line: 4, Message: "two", Hint: "do this"}},
			"error: line 3, column 5: one\nhint: do this\nerror: line 4: two\nhint: do this\n",
			`{"kind":"error","error":"line 3, column 5: one\nline 4: two","code":2,"hints":["do this"],"errors":[{"line":3,"column":5,"message":"one","hint":"do this"},{"line":4,"message":"two","hint":"do this"}]}`},
		"certificates": {fmt.Errorf("read pki: %w", errors.Join(&pki.CheckError{Path: "/a", Reason: "damaged", Hint: "restore"}, &pki.CheckError{Path: "/b", Reason: "old", Hint: "renew"})),
			"error: read pki: check /a: damaged\ncheck /b: old\nhint: restore\nhint: renew\n",
			`{"kind":"error","error":"read pki: check /a: damaged\ncheck /b: old","code":1,"hints":["restore","renew"]}`},
		"preflight": {&preflight.FailedError{Findings: []preflight.Finding{{Check: "NumCPU", Level: preflight.Error, Message: "1 CPUs", Hint: "nproc"}, {Check: "Mem", Level: preflight.Error, Message: "little", Hint: "free -m"}}},
			"error: preflight: the machine fails 2 of the checks\n  [ERROR NumCPU] 1 CPUs\n  [ERROR Mem] little\n" +
				"hint: nproc   # NumCPU\nhint: free -m   # Mem\nhint: --ignore-preflight-errors=NumCPU,Mem   # to go on all the same\n",
			`{"kind":"error","error":"preflight: the machine fails 2 of the checks\n  [ERROR NumCPU] 1 CPUs\n  [ERROR Mem] little","code":4,` +
				`"hints":["nproc   # NumCPU","free -m   # Mem","--ignore-preflight-errors=NumCPU,Mem   # to go on all the same"],` +
				`"findings":[{"check":"NumCPU","level":"error","message":"1 CPUs","hint":"nproc"},{"check":"Mem","level":"error","message":"little","hint":"free -m"}]}`},
		"stopped part-way": {&engine.StoppedError{Run: "r1", Step: "a/b@h", Changed: 3, Left: 2, Err: plain},
			"error: a/b@h: a cause\nstopped part-way: 3 steps done, 2 left; run r1\n" +
				"hint: run the same command again to go on\nhint: clusteradm rollback   # to take back what was done\n",
			`{"kind":"error","error":"a/b@h: a cause","code":6,"hints":["run the same command again to go on","clusteradm rollback   # to take back what was done"],"run":"r1","changed":3,"left":2}`},
		"stopped before any change": {&engine.StoppedError{Step: "a/b@h", Left: 5, Err: plain}, "error: a/b@h: a cause\n",
			`{"kind":"error","error":"a/b@h: a cause","code":1}`},
	} {
		for _, format := range []string{"text", "json"} {
			var out, narration bytes.Buffer
			report(&session.Session{Streams: ui.Streams{Out: &out, Err: &narration}, Format: format}, c.err, exit.Code(c.err))
			if narration.String() != c.text {
				t.Errorf("%s, %s: stderr is\n%s\nwant\n%s", name, format, narration.String(), c.text)
			}
			want := ""
			if format == "json" {
				want = c.json + "\n"
				if !json.Valid(out.Bytes()) || strings.Count(out.String(), "\n") != 1 {
					t.Errorf("%s: not one line of JSON: %s", name, out.String())
				}
			}
			if out.String() != want {
				t.Errorf("%s, %s: stdout is\n%s\nwant\n%s", name, format, out.String(), want)
			}
		}
	}
}
