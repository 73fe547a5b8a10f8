package preflight_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/preflight"
)

// The page's table is the catalogue: a check that is not documented, or that
// is no more, fails here and prints the row.
func TestThePageHasTheCatalogue(t *testing.T) {
	page, err := os.ReadFile("../docs/preflight.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, d := range preflight.Catalogue() {
		name := "`" + d.Name + "`"
		if d.Ours {
			name += " ¹"
		}
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", name, d.Level, d.Lists, d.Finds)
		want.WriteString(row)
		if !strings.Contains(string(page), "\n"+row) {
			t.Errorf("docs/preflight.md lacks\n%s", row)
		}
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") {
			rows++
		}
	}
	if rows != len(preflight.Catalogue()) {
		t.Errorf("docs/preflight.md has %d rows; the table is\n%s", rows, want.String())
	}
}
