package nodes

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components"
)

// debianPackages are what a machine prepared for Kubernetes has.
const debianPackages = "systemd,systemd-sysv,dbus,openssh-server,iproute2,iptables,nftables,conntrack,socat,ethtool,kmod,ca-certificates,procps,util-linux,sudo,curl,iputils-ping,mount,cron,libseccomp2"

const debianRelease = "bookworm"

// layer holds what lies over Debian on every node: units and configuration.
//
//go:embed layer
var layer embed.FS

// layerRecipe is raised when prepareLayer changes in what it makes.
const layerRecipe = 2

// prepareDebian returns the Debian root, made once per list of packages.
func prepareDebian(ctx context.Context, cache string, logf Logf) (string, error) {
	return prepared(cache, "debian-"+debianRelease, []string{debianPackages}, logf, func(dir string) error {
		err := run(ctx, "debootstrap", "--variant=minbase", "--include="+debianPackages, debianRelease, dir)
		if err != nil {
			return err
		}
		// Each node gets its own; without the files systemd would make new
		// ones at every boot, or nodes would share them.
		keys, _ := filepath.Glob(filepath.Join(dir, "etc/ssh/ssh_host_*"))
		for _, f := range append(keys, filepath.Join(dir, "etc/machine-id"), filepath.Join(dir, "etc/resolv.conf"), filepath.Join(dir, "etc/hostname")) {
			if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		debs, _ := filepath.Glob(filepath.Join(dir, "var/cache/apt/archives/*.deb"))
		for _, f := range debs {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
		return os.Chmod(dir, 0o755)
	})
}

// prepareLayer returns the directory with a bundle's programs at their places
// and the units that run them.
func prepareLayer(cache string, bundle *components.Bundle, logf Logf) (string, error) {
	files, err := layerFiles(bundle.Versions())
	if err != nil {
		return "", err
	}
	programs := map[string]string{}
	for _, p := range []string{"kubelet", "kubeadm", "kubectl", "etcdctl", "etcdutl", "containerd", "containerd-shim-runc-v2", "ctr", "runc"} {
		programs["usr/bin/"+p] = p
	}
	for _, p := range []string{"bridge", "loopback", "ptp", "host-local", "portmap", "bandwidth"} {
		programs["opt/cni/bin/"+p] = p
	}
	inputs := []string{bundle.Dir, fmt.Sprint(layerRecipe)}
	for _, path := range sortedKeys(files) {
		inputs = append(inputs, path, files[path])
	}
	return prepared(cache, "layer", inputs, logf, func(dir string) error {
		for path, content := range files {
			mode := fs.FileMode(0o644)
			if strings.HasPrefix(content, "#!") {
				mode = 0o755
			}
			if err := writeFile(filepath.Join(dir, path), content, mode); err != nil {
				return err
			}
		}
		for path, program := range programs {
			source, err := bundle.Binary(program)
			if err != nil {
				return err
			}
			target := filepath.Join(dir, path)
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			if err := os.Link(source, target); err != nil {
				return err
			}
		}
		wants := filepath.Join(dir, "etc/systemd/system/multi-user.target.wants")
		if err := os.MkdirAll(wants, 0o755); err != nil {
			return err
		}
		for _, unit := range []string{"containerd", "kubelet", "lab-machine"} {
			if err := os.Symlink("/usr/lib/systemd/system/"+unit+".service", filepath.Join(wants, unit+".service")); err != nil {
				return err
			}
		}
		// Timers of a machine that lives long only disturb measurements here.
		for _, timer := range []string{"apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim"} {
			if err := os.Symlink("/dev/null", filepath.Join(dir, "etc/systemd/system", timer+".timer")); err != nil {
				return err
			}
		}
		for _, d := range []string{"etc/cni/net.d", "etc/kubernetes/manifests", "var/lib/kubelet", "var/lib/containerd"} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				return err
			}
		}
		return os.Chmod(dir, 0o755)
	})
}

// layerFiles renders the embedded tree: path under the root -> content.
func layerFiles(v components.Versions) (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(layer, "layer", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := layer.ReadFile(path)
		if err != nil {
			return err
		}
		tmpl, err := template.New(path).Option("missingkey=error").Parse(string(data))
		if err != nil {
			return err
		}
		var b strings.Builder
		if err := tmpl.Execute(&b, map[string]string{"Pause": v.PauseImage()}); err != nil {
			return err
		}
		files[strings.TrimPrefix(path, "layer/")] = b.String()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("render node files: %w", err)
	}
	return files, nil
}

// prepareImages returns a containerd root directory that has all images of
// the bundle imported and unpacked, so that a node starts with them.
func prepareImages(ctx context.Context, cache string, bundle *components.Bundle, logf Logf) (string, error) {
	daemon, err := bundle.Binary("containerd")
	if err != nil {
		return "", err
	}
	ctr, err := bundle.Binary("ctr")
	if err != nil {
		return "", err
	}
	inputs := []string{bundle.ImagesDigest(), bundle.Versions().Containerd}
	return prepared(cache, "images", inputs, logf, func(dir string) error {
		tmp, err := os.MkdirTemp("", "lab-containerd-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		socket := filepath.Join(tmp, "containerd.sock")
		// The CRI plugin is not needed to import and would want a CNI.
		config := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\ndisabled_plugins = ['io.containerd.cri.v1.images', 'io.containerd.cri.v1.runtime', 'io.containerd.grpc.v1.cri', 'io.containerd.nri.v1.nri']\n[grpc]\n  address = %q\n[ttrpc]\n  address = %q\n",
			dir, filepath.Join(tmp, "state"), socket, socket+".ttrpc")
		if err := writeFile(filepath.Join(tmp, "config.toml"), config, 0o600); err != nil {
			return err
		}
		var log strings.Builder
		cmd := exec.Command(daemon, "-c", filepath.Join(tmp, "config.toml"))
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			return err
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		importErr := func() error {
			err := poll(ctx, 30*time.Second, "containerd", func() error {
				return run(ctx, ctr, "-a", socket, "version")
			})
			if err != nil {
				return err
			}
			for _, archive := range bundle.Archives() {
				if err := run(ctx, ctr, "-a", socket, "-n", "k8s.io", "images", "import", archive); err != nil {
					return err
				}
			}
			return nil
		}()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
		if importErr != nil {
			return fmt.Errorf("%w\n%s", importErr, log.String()[max(0, log.Len()-2000):])
		}
		return nil
	})
}

// prepared returns a directory of the cache, made by build if no directory of
// the same inputs is there. It appears by one rename when it is whole.
func prepared(cache, name string, inputs []string, logf Logf, build func(dir string) error) (string, error) {
	sum := sha256.Sum256([]byte(strings.Join(inputs, "\x00")))
	base := filepath.Join(cache, "lab")
	path := filepath.Join(base, name+"-"+hex.EncodeToString(sum[:])[:16])
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	// The caller holds the lock: what is unfinished here belongs to nobody.
	leftovers, _ := filepath.Glob(filepath.Join(base, ".tmp-*"))
	for _, dir := range leftovers {
		if err := discard(dir); err != nil {
			return "", fmt.Errorf("prepare %s: %w", name, err)
		}
	}
	tmp, err := os.MkdirTemp(base, ".tmp-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	defer discard(tmp)
	start := time.Now()
	logf("prepare %s …", name)
	if err := build(tmp); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("prepare %s: %w", name, err)
	}
	logf("prepared %s in %.1fs", name, time.Since(start).Seconds())
	return path, nil
}

// discard removes a directory, but never through a mount in it: a debootstrap
// that was cut off leaves this machine's /proc and /sys mounted there.
func discard(dir string) error {
	mounts, err := mountsBelow(dir)
	if err != nil {
		return err
	}
	for _, m := range mounts {
		if err := unmount(m); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// mountsBelow lists mount points in a directory, the innermost first.
func mountsBelow(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var list []string
	for _, line := range strings.Split(string(data), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			list = append(list, fields[4])
		}
	}
	slices.Reverse(list)
	return list, nil
}

func writeFile(path, content string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), mode)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
