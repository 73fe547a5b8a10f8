package phases_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/phases"
)

// A list that is not registered would escape the crash matrix: every exported
// function that returns phases has to be in Lists.
func TestEveryListIsRegistered(t *testing.T) {
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]bool{}
	for name := range phases.Lists() {
		registered[strings.ReplaceAll(name, "-", "")] = true
	}
	found := 0
	for _, file := range packages["phases"].Files {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || !returnsPhases(f) {
				continue
			}
			found++
			if !registered[strings.ToLower(f.Name.Name)] {
				t.Errorf("%s is a list of phases and not in Lists", f.Name.Name)
			}
		}
	}
	if found < 2 {
		t.Errorf("found %d lists: the test does not see them", found)
	}
}

func returnsPhases(f *ast.FuncDecl) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	list, ok := f.Type.Results.List[0].Type.(*ast.ArrayType)
	if !ok {
		return false
	}
	element, ok := list.Elt.(*ast.SelectorExpr)
	return ok && element.Sel.Name == "Phase"
}

// Names are what --skip-phases and step IDs are made of.
func TestPhaseNamesAreKebabCaseAndHelped(t *testing.T) {
	for list, build := range phases.Lists() {
		for _, p := range build() {
			for _, each := range append(p.Sub, p) {
				if each.Name == "" || strings.Trim(each.Name, "abcdefghijklmnopqrstuvwxyz-") != "" {
					t.Errorf("%s: phase name %q", list, each.Name)
				}
				if each.Short == "" || strings.HasSuffix(each.Short, ".") {
					t.Errorf("%s: phase %s has Short %q", list, each.Name, each.Short)
				}
				if each.Plan != nil && !each.Hidden && len(each.Sub) == 0 && each.Example == "" {
					t.Errorf("%s: phase %s has no example", list, each.Name)
				}
			}
		}
	}
}
