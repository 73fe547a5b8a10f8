package main

import (
	"errors"
	"strings"
	"testing"
)

func row(bar Bar, ours, theirs float64) Row {
	return Row{Name: "x", Unit: "s", Bar: bar, Pair: Pair{Clusteradm: Series{Samples: []float64{ours}}, Kubeadm: Series{Samples: []float64{theirs}}}}
}

func TestVerdict(t *testing.T) {
	failed := row(Bar{Ratio: 1}, 1, 9)
	failed.Clusteradm.add(0, errors.New("exit 1"))
	alone := row(Bar{Ratio: 1}, 1, 1)
	alone.Kubeadm = Series{Failures: []string{"exit 1"}}
	none := row(Bar{Below: 1}, 1, 1)
	none.Clusteradm = Series{}
	for name, c := range map[string]struct {
		row  Row
		want string
	}{
		"no bar":                   {row(Bar{}, 1, 1), ""},
		"ratio reached exactly":    {row(Bar{Ratio: 1.5}, 2, 3), "yes"},
		"ratio missed":             {row(Bar{Ratio: 1.5}, 2, 2.9), "no"},
		"below":                    {row(Bar{Below: 60}, 24, 73), "yes"},
		"at the limit":             {row(Bar{Below: 60}, 60, 73), "no"},
		"one of two bars":          {row(Bar{Ratio: 2, Below: 1}, 2, 8), "no"},
		"a failure is never met":   {failed, "no: clusteradm failed"},
		"kubeadm has no sample":    {alone, "no: nothing to compare with"},
		"clusteradm has no sample": {none, "no: clusteradm failed"},
	} {
		if got := c.row.met(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTables(t *testing.T) {
	bad := row(Bar{Ratio: 1.4}, 5, 8)
	bad.Kubeadm.add(0, errors.New("exit 1: no"))
	rows := []Row{row(Bar{}, 1, 2), bad}
	var text strings.Builder
	if err := writeTable(&text, rows); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"MEASUREMENT  CLUSTERADM  KUBEADM",
		"x            1.00 s      2.00 s                  2.00x",
		"x            5.00 s      8.00 s (1 of 2 failed)  1.60x               >= 1.4x  yes",
		"failed: kubeadm: x: exit 1: no",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	want := "| measurement | clusteradm | kubeadm | kubeadm/clusteradm | bar | met |\n|---|---|---|---|---|---|\n" +
		"| x | 1.00 s | 2.00 s | 2.00x |  |  |\n| x | 5.00 s | 8.00 s (1 of 2 failed) | 1.60x | >= 1.4x | yes |\n"
	if got := markdownTable(rows); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestDocumentSaysAllThatWasFound(t *testing.T) {
	bad := row(Bar{Ratio: 1.4}, 5, 8)
	bad.Clusteradm.add(0, errors.New("exit 3"))
	text := document(&Report{Commit: "abc1234", Command: "go run ./e2e/bench", Machine: Machine{Cores: 2, Kernel: "6.1"},
		Runs: 5, Rows: []Row{bad}, InitTrace: []Package{{"net/http", 0.34, 56}}})
	for _, want := range []string{"| commit | abc1234 |", "2 cores", "Linux 6.1", "no: clusteradm failed",
		"- failed: clusteradm: x: exit 3", "| net/http | 0.34 | 56 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
