package components

import (
	"bufio"
	"fmt"
	"sort"
	"strings"
)

// module is the generated module that builds programs of one upstream module.
type module struct {
	Path, Version string
	Go            string   // go directive of the upstream module
	Godebug       []string // its godebug directives: they bind only in the main module
	Replaces      []string // "old => new version"
	Packages      []string
}

// deriveModule reads the upstream go.mod. Replaces that point into the
// upstream repository (k8s.io/kubernetes's staging directories) hold only
// inside it; from outside the same code is the published module, whose version
// is the repository's with the major version taken off: v1.36.3 -> v0.36.3.
func deriveModule(path, version string, gomod []byte, packages []string) (module, error) {
	m := module{Path: path, Version: version, Go: "1.24.0", Packages: packages}
	block := ""
	scanner := bufio.NewScanner(strings.NewReader(string(gomod)))
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "//")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
			continue
		case block != "" && fields[0] == ")":
			block = ""
			continue
		case len(fields) == 2 && fields[1] == "(":
			block = fields[0]
			continue
		case block != "":
			fields = append([]string{block}, fields...)
		}
		switch fields[0] {
		case "go":
			m.Go = fields[1]
		case "godebug":
			m.Godebug = append(m.Godebug, fields[1:]...)
		case "replace":
			r, err := deriveReplace(path, version, fields[1:])
			if err != nil {
				return module{}, err
			}
			if r != "" {
				m.Replaces = append(m.Replaces, r)
			}
		}
	}
	sort.Strings(m.Replaces)
	return m, scanner.Err()
}

func deriveReplace(path, version string, fields []string) (string, error) {
	arrow := -1
	for i, f := range fields {
		if f == "=>" {
			arrow = i
		}
	}
	if arrow < 1 || arrow == len(fields)-1 {
		return "", fmt.Errorf("read go.mod of %s: replace %q is not understood", path, strings.Join(fields, " "))
	}
	old, target := fields[0], fields[arrow+1]
	if !strings.HasPrefix(target, ".") {
		return strings.Join(fields, " "), nil
	}
	if strings.HasPrefix(target, "./staging/src/") {
		rest, ok := strings.CutPrefix(version, "v1.")
		if !ok {
			return "", fmt.Errorf("derive staging version from %s %s: want v1.x.y", path, version)
		}
		return old + " => " + old + " v0." + rest, nil
	}
	// A sibling directory of a repository with several published modules
	// (etcd): the requirement already names the right version.
	return "", nil
}

// gomod renders the generated module's go.mod.
func (m module) gomod() string {
	var b strings.Builder
	fmt.Fprintf(&b, "module clusteradm.local/build\n\ngo %s\n", m.Go)
	for _, g := range m.Godebug {
		fmt.Fprintf(&b, "\ngodebug %s\n", g)
	}
	fmt.Fprintf(&b, "\nrequire %s %s\n", m.Path, m.Version)
	for _, r := range m.Replaces {
		fmt.Fprintf(&b, "\nreplace %s\n", r)
	}
	return b.String()
}

// imports renders the file that makes `go mod tidy` see the commands.
func (m module) imports() string {
	var b strings.Builder
	b.WriteString("//go:build tools\n\npackage tools\n\nimport (\n")
	for _, p := range m.Packages {
		fmt.Fprintf(&b, "\t_ %q\n", p)
	}
	b.WriteString(")\n")
	return b.String()
}
