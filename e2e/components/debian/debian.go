// Package debian gets what the lab needs from the distribution: packages
// installed on this machine where they are missing, and packages unpacked into
// a directory without being installed anywhere.
package debian

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Package is a Debian package and a file that is there once it is installed,
// which is a cheaper and truer question than dpkg's database.
type Package struct{ Name, Provides string }

// Install installs those of the packages that are missing. It touches nothing
// when all are there, so it needs root only the first time.
func Install(ctx context.Context, logf func(string, ...any), packages []Package) error {
	var missing []string
	for _, p := range packages {
		if _, err := os.Stat(p.Provides); err != nil {
			missing = append(missing, p.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if os.Geteuid() != 0 {
		return fmt.Errorf("install %s: not root", list)
	}
	logf("install Debian packages: %s", list)
	install := append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, missing...)
	if err := run(ctx, "", install...); err == nil {
		return nil
	}
	// The package lists may never have been read, or name versions long gone.
	if err := run(ctx, "", "apt-get", "update"); err != nil {
		return err
	}
	return run(ctx, "", install...)
}

// Unpack downloads the packages, lays their files under dir and returns their
// versions; no maintainer script runs.
func Unpack(ctx context.Context, dir string, names []string) (map[string]string, error) {
	tmp, err := os.MkdirTemp("", "clusteradm-debs-")
	if err != nil {
		return nil, fmt.Errorf("unpack packages: %w", err)
	}
	defer os.RemoveAll(tmp)
	download := append([]string{"apt-get", "-o", "APT::Sandbox::User=root", "download"}, names...)
	if err := run(ctx, tmp, download...); err != nil {
		if err := run(ctx, "", "apt-get", "update"); err != nil {
			return nil, err
		}
		if err := run(ctx, tmp, download...); err != nil {
			return nil, err
		}
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil {
		return nil, fmt.Errorf("unpack packages: %w", err)
	}
	versions := map[string]string{}
	for _, deb := range debs {
		if err := run(ctx, "", "dpkg-deb", "-x", deb, dir); err != nil {
			return nil, err
		}
		out, err := exec.CommandContext(ctx, "dpkg-deb", "--show", "--showformat", "${Package} ${Version}", deb).Output()
		if err != nil {
			return nil, fmt.Errorf("read version of %s: %w", filepath.Base(deb), err)
		}
		name, version, _ := strings.Cut(string(out), " ")
		versions[name] = version
	}
	return versions, nil
}

// Upstream is the version that Debian packaged: 1:2.2.7-1+b2 is 2.2.7.
func Upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndex(version, "-"); i >= 0 {
		version = version[:i]
	}
	return version
}

func run(ctx context.Context, dir string, argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
	return nil
}
