package contract_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/e2e/contract"
)

func TestJudge(t *testing.T) {
	table := []contract.Allowance{{Where: "/a"}, {Where: "/b", Only: []string{"two"}}, {Where: "/c", Except: []string{"two"}}}
	at := func(wheres ...string) []contract.Difference {
		var list []contract.Difference
		for _, w := range wheres {
			list = append(list, contract.Difference{Where: w})
		}
		return list
	}
	for name, c := range map[string]struct {
		found map[string][]contract.Difference
		wrong []string // beginnings
	}{
		"as allowed":              {map[string][]contract.Difference{"one": at("/a", "/c"), "two": at("/a", "/b")}, nil},
		"only what ran is judged": {map[string][]contract.Difference{"one": at("/a", "/c")}, nil},
		"not in the table":        {map[string][]contract.Difference{"one": at("/a", "/c", "/d")}, []string{"one: /d"}},
		"below is not the place":  {map[string][]contract.Difference{"one": at("/a", "/a/b", "/c")}, []string{"one: /a/b"}},
		"for another case":        {map[string][]contract.Difference{"one": at("/a", "/b", "/c")}, []string{"one: /b"}},
		"excepted":                {map[string][]contract.Difference{"two": at("/a", "/b", "/c")}, []string{"two: /c"}},
		"no longer needed":        {map[string][]contract.Difference{"one": at("/c")}, []string{"one: the allowed difference /a is not there"}},
		"no longer needed by one": {map[string][]contract.Difference{"one": at("/a", "/c"), "two": at("/a")}, []string{"two: the allowed difference /b is not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := contract.Judge(table, c.found)
			if len(wrong) != len(c.wrong) {
				t.Fatalf("wrong are %q, want %q", wrong, c.wrong)
			}
			for i := range wrong {
				if !strings.HasPrefix(wrong[i], c.wrong[i]) {
					t.Errorf("wrong is %q, want %q", wrong[i], c.wrong[i])
				}
			}
		})
	}
	if wrong := contract.Judge(make([]contract.Allowance, contract.Limit+1), nil); len(wrong) != 1 {
		t.Errorf("more than the limit: %q", wrong)
	}
}

var update = flag.Bool("update", false, "rewrite the table in docs/contract.md; the run fails if it differed")

// Users read the table that the scenario holds the programs to.
func TestDocumentHasTheTable(t *testing.T) {
	const path = "../../docs/contract.md"
	data, err := os.ReadFile(path)
	must(t, err)
	head, rest, _ := strings.Cut(string(data), "<!-- table -->\n")
	_, tail, ok := strings.Cut(rest, "<!-- end of table -->\n")
	want := head + "<!-- table -->\n" + contract.Markdown(contract.Allowed) + "<!-- end of table -->\n" + tail
	if !ok || string(data) == want {
		if !ok {
			t.Error("the document has no marks of the table")
		}
		return
	}
	t.Error("docs/contract.md differs from the table; go test ./e2e/contract -update rewrites it")
	if *update {
		must(t, os.WriteFile(path, []byte(want), 0o644))
	}
}

// Every entry is one place, with a reason.
func TestTableIsExact(t *testing.T) {
	var seen []string
	for _, a := range contract.Allowed {
		if strings.ContainsAny(a.Where, "*?[") || slices.Contains(seen, a.Where) {
			t.Errorf("%s is no exact place, or there twice", a.Where)
		}
		if a.Reason == "" {
			t.Errorf("%s has no reason", a.Where)
		}
		seen = append(seen, a.Where)
	}
	if len(contract.Allowed) > contract.Limit {
		t.Errorf("%d entries, the limit is %d", len(contract.Allowed), contract.Limit)
	}
}
