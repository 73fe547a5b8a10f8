package components

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestVersionsFor(t *testing.T) {
	v, err := VersionsFor("v1.36.3")
	if err != nil {
		t.Fatal(err)
	}
	if v.EtcdTag() != "3.6.16-0" || v.CoreDNSTag() != "v1.14.7" || v.PauseImage() != "registry.k8s.io/pause:3.10.2" {
		t.Errorf("unexpected versions: %+v", v)
	}
	for _, bad := range []string{"", "1.36.3", "v1.36", "v1.x.3", "v1.99.0"} {
		if _, err := VersionsFor(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestProgramsAndImagesFit(t *testing.T) {
	for _, kubernetes := range []string{"v1.36.3", "v1.35.4"} {
		v, err := VersionsFor(kubernetes)
		if err != nil {
			t.Fatal(err)
		}
		list, err := programs(v)
		if err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, p := range list {
			if names[p.Name] {
				t.Errorf("program %s is there twice", p.Name)
			}
			names[p.Name] = true
			if p.Module == "" {
				if _, err := ownSources.ReadFile(p.Package); err != nil {
					t.Errorf("source of %s: %v", p.Name, err)
				}
			}
		}
		for _, i := range images(v) {
			for path, p := range i.Files {
				if !names[p] {
					t.Errorf("image %s: %s is no program", i.Ref, p)
				}
				if i.Entrypoint[0] != path && i.Files[i.Entrypoint[0]] == "" {
					t.Errorf("image %s: entrypoint %s is not in it", i.Ref, i.Entrypoint[0])
				}
			}
		}
	}
}

// An image that has no packages keeps the key that it had before there were
// any: nobody's cache is built anew.
func TestImagesWithoutPackagesKeepTheirKey(t *testing.T) {
	old := struct {
		Ref        string
		Files      map[string]string
		Entrypoint []string
		Userspace  bool
	}{"registry.k8s.io/pause:3.10.2", map[string]string{"/pause": "pause"}, []string{"/pause"}, false}
	now := image{Ref: old.Ref, Files: old.Files, Entrypoint: old.Entrypoint}
	if digest(now) != digest(old) {
		t.Error("the key changed")
	}
	now.Packages = haproxy("2.6.12")
	if digest(now) == digest(old) {
		t.Error("packages do not change the key")
	}
}

func TestDigestChangesWithEveryInput(t *testing.T) {
	base := program{Name: "a", Version: "v1", Module: "m", Package: "m/cmd/a", Defines: []string{"x=1"}}
	seen := map[string]bool{digest(base): true}
	if digest(base) != digest(base) {
		t.Fatal("digest of the same inputs differs")
	}
	for _, change := range []func(*program){
		func(p *program) { p.Version = "v2" },
		func(p *program) { p.Package = "m/cmd/b" },
		func(p *program) { p.CGO = true },
		func(p *program) { p.Tags = "seccomp" },
		func(p *program) { p.Defines = []string{"x=2"} },
		func(p *program) { p.Without = []string{"m/b"} },
	} {
		p := base
		change(&p)
		if seen[digest(p)] {
			t.Errorf("digest of %+v was there before", p)
		}
		seen[digest(p)] = true
	}
}

func TestItemAppearsWholeOrNotAtAll(t *testing.T) {
	s := store{t.TempDir()}
	broken := errors.New("broken")
	_, _, err := s.item("x", "1", func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, "half"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Fatalf("error: %v", err)
	}
	if left, _ := os.ReadDir(s.dir); len(left) != 0 {
		t.Errorf("a failed build left %v", left)
	}
	builds := 0
	for range 2 {
		path, built, err := s.item("x", "1", func(dir string) error {
			builds++
			return os.WriteFile(filepath.Join(dir, "whole"), nil, 0o644)
		})
		if err != nil {
			t.Fatalf("item %s, built %v: %v", path, built, err)
		}
		if _, err := os.Stat(filepath.Join(path, "whole")); err != nil {
			t.Error(err)
		}
	}
	if builds != 1 {
		t.Errorf("built %d times, want once", builds)
	}
}

func TestAssembleAndOpen(t *testing.T) {
	v, _ := VersionsFor(DefaultKubernetes)
	list, _ := programs(v)
	source := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(source, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(path, []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	binaries, archives := map[string]string{}, map[string]string{}
	for _, p := range list {
		binaries[p.Name] = write(p.Name)
	}
	for _, i := range images(v) {
		archives[i.Ref] = write(i.Ref)
	}
	dir := filepath.Join(source, "components", "bundle")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := assemble(dir, v, list, binaries, archives); err != nil {
		t.Fatal(err)
	}
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Versions() != v || b.Cache != source {
		t.Errorf("opened %+v", b)
	}
	for name, want := range map[string]string{"kubelet": "bin/kubelet", "bridge": "cni/bridge"} {
		if got, err := b.Binary(name); err != nil || got != filepath.Join(dir, want) {
			t.Errorf("Binary(%s) = %s, %v", name, got, err)
		}
	}
	if _, err := b.Binary("nothing"); err == nil {
		t.Error("a program that is not there was found")
	}
	if len(b.Archives()) != len(images(v)) {
		t.Errorf("archives: %v", b.Archives())
	}
	// sha256 of "kubelet".
	const sum = "1ca4bc7eb9b3d6f1e205da9cfab437c89d3760d0765a29a6bcbccf4ad51a2cb1"
	i := slices.IndexFunc(b.Manifest.Files, func(f File) bool { return f.Name == "kubelet" })
	if f := b.Manifest.Files[i]; f.SHA256 != sum || f.Size != int64(len("kubelet")) {
		t.Errorf("manifest entry: %+v", f)
	}
	before := b.ImagesDigest()
	for i := range b.Manifest.Files {
		if b.Manifest.Files[i].Image != "" {
			b.Manifest.Files[i].SHA256 = "other"
			break
		}
	}
	if b.ImagesDigest() == before {
		t.Error("ImagesDigest does not change with an image")
	}
}

func TestImageArchive(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root", "usr", "sbin")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("iptables-nft", filepath.Join(root, "iptables")); err != nil {
		t.Fatal(err)
	}
	userspace := filepath.Join(dir, "userspace.tar")
	if err := tarTree(userspace, filepath.Join(dir, "root")); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := image{Ref: "registry.k8s.io/kube-proxy:v1.36.3", Userspace: true, Files: map[string]string{"/usr/local/bin/kube-proxy": "kube-proxy"}, Entrypoint: []string{"/usr/local/bin/kube-proxy"}}
	var digests []string
	for _, name := range []string{"a.tar", "b.tar"} {
		path := filepath.Join(dir, name)
		if err := i.write(path, []string{userspace}, func(string) string { return program }); err != nil {
			t.Fatal(err)
		}
		img, err := tarball.ImageFromPath(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		d, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d.String())
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if len(config.RootFS.DiffIDs) != 2 || !strings.Contains(config.Config.Env[0], "/usr/sbin") {
			t.Errorf("config: %+v", config)
		}
		content := mutate.Extract(img)
		var names []string
		for tr := tar.NewReader(content); ; {
			h, err := tr.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, h.Name)
		}
		content.Close()
		for _, want := range []string{"usr/sbin/iptables", "usr/local/bin/kube-proxy"} {
			if !slices.Contains(names, want) {
				t.Errorf("image lacks %s: %v", want, names)
			}
		}
	}
	if digests[0] != digests[1] {
		t.Errorf("equal inputs gave %v", digests)
	}
}
