package components

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// Config says what to build and where to keep it.
type Config struct {
	Versions Versions
	// Cache is the root of everything kept between runs; DefaultCache when empty.
	Cache string
	// Logf receives one line of progress at a time; nil discards them.
	Logf func(format string, args ...any)
}

// DefaultCache is ${XDG_CACHE_HOME:-$HOME/.cache}/clusteradm.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(dir, "clusteradm"), nil
}

// builder turns programs into items of the store.
type builder struct {
	store store
	work  string // generated modules, kept so that go reuses its work
	goVer string
	logf  func(string, ...any)
	mods  map[string]string // prepared module directories by path@version
	// packages lists, per module, the commands its generated module imports.
	packages map[string][]string
}

func newBuilder(ctx context.Context, cache string, logf func(string, ...any), list []program) (*builder, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOVERSION").Output()
	if err != nil {
		return nil, fmt.Errorf("run go env: %w", err)
	}
	b := &builder{
		store:    store{filepath.Join(cache, "items")},
		work:     filepath.Join(cache, "work"),
		goVer:    strings.TrimSpace(string(out)),
		logf:     logf,
		mods:     map[string]string{},
		packages: map[string][]string{},
	}
	for _, p := range list {
		if p.Module != "" && len(p.Without) == 0 {
			b.packages[p.Module] = append(b.packages[p.Module], p.Package)
		}
	}
	return b, nil
}

// build returns the path of the program's binary, building it if no item of
// the same inputs is there.
func (b *builder) build(ctx context.Context, p program) (string, error) {
	var source string
	if p.Module == "" {
		data, err := ownSources.ReadFile(p.Package)
		if err != nil {
			return "", fmt.Errorf("read source of %s: %w", p.Name, err)
		}
		source = string(data)
	}
	key := digest(struct {
		Program program
		Go      string
		Source  string
		Recipe  int // raised when the way of building changes
	}{p, b.goVer, source, 1})
	start := time.Now()
	dir, built, err := b.store.item(p.Name, key, func(dir string) error {
		work, target, err := b.prepare(ctx, p, source)
		if err != nil {
			return err
		}
		b.logf("build %s %s …", p.Name, p.Version)
		ldflags := "-s -w"
		for _, d := range p.Defines {
			ldflags += " -X " + d
		}
		args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags}
		if p.Tags != "" {
			args = append(args, "-tags", p.Tags)
		}
		cgo := "CGO_ENABLED=0"
		if p.CGO {
			cgo = "CGO_ENABLED=1"
		}
		return b.goCommand(ctx, work, cgo, append(args, "-o", filepath.Join(dir, p.Name), target)...)
	})
	if err != nil {
		return "", fmt.Errorf("build %s %s: %w", p.Name, p.Version, err)
	}
	if built {
		b.logf("built %s %s in %.1fs", p.Name, p.Version, time.Since(start).Seconds())
	}
	return filepath.Join(dir, p.Name), nil
}

// prepare writes the module in which the program is built and returns its
// directory and the package to name there.
func (b *builder) prepare(ctx context.Context, p program, source string) (dir, target string, err error) {
	if p.Module == "" {
		dir = filepath.Join(b.work, "own-"+p.Name)
		return dir, ".", writeAll(dir, map[string]string{
			"go.mod":  "module clusteradm.local/build\n\ngo 1.26.0\n",
			"main.go": source,
		})
	}
	id := strings.ReplaceAll(p.Module, "/", "_") + "@" + p.Version
	target = p.Package
	if len(p.Without) > 0 {
		id, target = id+"-"+p.Name, "."
	}
	if dir, ok := b.mods[id]; ok {
		return dir, target, nil
	}
	download, err := exec.CommandContext(ctx, "go", "mod", "download", "-json", p.Module+"@"+p.Version).Output()
	if err != nil {
		return "", "", fmt.Errorf("download %s@%s: %w: %s", p.Module, p.Version, err, download)
	}
	var upstream struct{ Dir, GoMod string }
	if err := json.Unmarshal(download, &upstream); err != nil {
		return "", "", fmt.Errorf("download %s@%s: %w", p.Module, p.Version, err)
	}
	gomod, err := os.ReadFile(upstream.GoMod)
	if err != nil {
		return "", "", fmt.Errorf("read go.mod of %s: %w", p.Module, err)
	}
	m, err := deriveModule(p.Module, p.Version, gomod, b.packages[p.Module])
	if err != nil {
		return "", "", err
	}
	files := map[string]string{"go.mod": m.gomod()}
	if len(p.Without) == 0 {
		files["tools.go"] = m.imports()
	} else {
		main, err := os.ReadFile(filepath.Join(upstream.Dir, "main.go"))
		if err != nil {
			return "", "", fmt.Errorf("copy main package of %s: %w", p.Module, err)
		}
		files["main.go"] = dropImports(string(main), p.Without)
	}
	dir = filepath.Join(b.work, id)
	if err := writeAll(dir, files); err != nil {
		return "", "", err
	}
	if err := b.goCommand(ctx, dir, "CGO_ENABLED=1", "mod", "tidy"); err != nil {
		return "", "", fmt.Errorf("resolve modules of %s: %w", p.Module, err)
	}
	b.mods[id] = dir
	return dir, target, nil
}

func (b *builder) goCommand(ctx context.Context, dir, cgo string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// The caller's workspace, flags and target must not reach these builds.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOOS=linux", cgo)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("go %s: %w\n%s", args[0], err, tail(out.String(), 30))
	}
	return nil
}

// dropImports takes blank imports out of a source file.
func dropImports(source string, paths []string) string {
	var kept []string
	for _, line := range strings.Split(source, "\n") {
		drop := false
		for _, p := range paths {
			drop = drop || strings.TrimSpace(line) == `_ "`+p+`"`
		}
		if !drop {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func writeAll(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write module: %w", err)
	}
	// A go.sum of an earlier set of inputs would pin modules no longer asked for.
	if err := os.RemoveAll(filepath.Join(dir, "go.sum")); err != nil {
		return fmt.Errorf("write module: %w", err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("write module: %w", err)
		}
	}
	return nil
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// buildPackages are what the builds with the C compiler need from Debian.
var buildPackages = []debian.Package{
	{Name: "gcc", Provides: "/usr/bin/gcc"},
	{Name: "libc6-dev", Provides: "/usr/include/stdio.h"},
	{Name: "linux-libc-dev", Provides: "/usr/include/linux/if_tun.h"},
	{Name: "pkg-config", Provides: "/usr/bin/pkg-config"},
	{Name: "libseccomp-dev", Provides: "/usr/include/seccomp.h"},
}
