package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func TestTargetsAreFoundInSource(t *testing.T) {
	source := "package p\n\nfunc FuzzOne(f *testing.F) {\n}\n// func FuzzNot(f *testing.F)\nfunc TestFuzz(t *testing.T) {}\nfunc FuzzTwo(fz *testing.F) {}\n"
	if got := targets([]byte(source)); !slices.Equal(got, []string{"FuzzOne", "FuzzTwo"}) {
		t.Errorf("found %v", got)
	}
}

// The configuration loader is the target that must never be lost.
func TestModuleHasTargets(t *testing.T) {
	all, err := find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(t target) bool { return t.pkg == module+"internal/config" }) {
		t.Errorf("no target of internal/config among %v", all)
	}
}

func TestExecutionsAreTheLastCount(t *testing.T) {
	out := "fuzz: elapsed: 0s, gathering baseline coverage: 0/192 completed\nfuzz: elapsed: 3s, execs: 325017 (108336/sec), new interesting: 11 (total: 202)\nfuzz: elapsed: 10s, execs: 986320 (0/sec)\nPASS\n"
	if n := executions(out); n != 986320 {
		t.Errorf("counted %d", n)
	}
	if n := executions("no fuzz tests to fuzz"); n != 0 {
		t.Errorf("counted %d where nothing ran", n)
	}
}

func TestReportGoesOnAtTheSameCommitOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proof", "fuzz.md")
	one, two := target{module + "p", "FuzzOne"}, target{module + "p", "FuzzTwo"}
	if err := newReport(path, "abc", time.Minute).add(one, 7); err != nil {
		t.Fatal(err)
	}
	if r := newReport(path, "abc", time.Minute); !r.has(one) || r.has(two) {
		t.Error("a run at the same commit does not go on with what is left")
	}
	if newReport(path, "abd", time.Minute).has(one) || newReport(path, "abc", time.Second).has(one) {
		t.Error("a run at another commit, or for another time, takes over the old result")
	}
	if r := newReport(path, "abc", time.Minute); r.add(two, 9) != nil {
		t.Error("cannot add")
	}
	text, err := os.ReadFile(path)
	if err != nil || !slices.Equal([]byte(newReport(path, "abc", time.Minute).head+"- `p.FuzzOne`: 7 executions\n- `p.FuzzTwo`: 9 executions\n"), text) {
		t.Errorf("the file reads %s, %v", text, err)
	}
}

func TestTheEndOfTheTimeIsNoFinding(t *testing.T) {
	const over = "fuzz: elapsed: 10s, execs: 7 (0/sec)\n--- FAIL: FuzzOne (10.02s)\n    context deadline exceeded\nFAIL\nexit status 1\n"
	if !timeOver.MatchString(over) {
		t.Error("it is taken for a finding")
	}
	for _, found := range []string{
		"--- FAIL: FuzzOne (1.2s)\n    --- FAIL: FuzzOne (0.00s)\n        x_test.go:7: context deadline exceeded\n    \n    Failing input written to testdata/fuzz/FuzzOne/1\nFAIL\n",
		"--- FAIL: FuzzOne (1.2s)\n    context deadline exceeded\n    Failing input written to testdata/fuzz/FuzzOne/1\nFAIL\n",
		"panic: context deadline exceeded\n",
	} {
		if timeOver.MatchString(found) {
			t.Errorf("a finding is passed over:\n%s", found)
		}
	}
}
