package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// Bundle is a finished directory: bin/, cni/, images/ and manifest.json.
type Bundle struct {
	Dir      string
	Cache    string // the cache it lies in, for what is derived from it
	Manifest Manifest
}

// Manifest lists what a bundle holds.
type Manifest struct {
	Versions Versions `json:"versions"`
	Files    []File   `json:"files"`
}

// File is one file of a bundle. Image is its reference if it is an archive.
type File struct {
	Path    string `json:"path"` // under the bundle's directory
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Image   string `json:"image,omitempty"`
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
}

// Build makes the bundle of cfg.Versions, reusing every item whose inputs are
// unchanged, and returns it. Cancelling ctx stops it; the next call goes on.
func Build(ctx context.Context, cfg Config) (*Bundle, error) {
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	if cfg.Cache == "" {
		cache, err := DefaultCache()
		if err != nil {
			return nil, err
		}
		cfg.Cache = cache
	}
	if err := debian.Install(ctx, cfg.Logf, buildPackages); err != nil {
		return nil, err
	}
	list, err := programs(cfg.Versions)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	dir := filepath.Join(cfg.Cache, "components")
	b, err := newBuilder(ctx, dir, cfg.Logf, list)
	if err != nil {
		return nil, err
	}
	binaries := map[string]string{}
	for _, p := range list {
		if binaries[p.Name], err = b.build(ctx, p); err != nil {
			return nil, err
		}
	}
	userspace, err := b.userspace(ctx)
	if err != nil {
		return nil, err
	}
	archives := map[string]string{}
	for _, i := range images(cfg.Versions) {
		if archives[i.Ref], err = b.archive(ctx, i, userspace, binaries); err != nil {
			return nil, err
		}
	}
	// The paths carry the items' digests, so they are the bundle's inputs.
	key := digest([]any{cfg.Versions, binaries, archives, 1})
	path, built, err := store{dir}.item(cfg.Versions.Kubernetes, key, func(tmp string) error {
		return assemble(tmp, cfg.Versions, list, binaries, archives)
	})
	if err != nil {
		return nil, fmt.Errorf("assemble bundle: %w", err)
	}
	if built {
		cfg.Logf("bundle %s ready in %.1fs", path, time.Since(start).Seconds())
	}
	bundle, err := Open(path)
	if err != nil {
		return nil, err
	}
	bundle.Cache = cfg.Cache
	return bundle, nil
}

// Open reads the bundle in dir.
func Open(dir string) (*Bundle, error) {
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return nil, fmt.Errorf("open bundle: %w", err)
	}
	b := &Bundle{Dir: dir, Cache: filepath.Dir(filepath.Dir(dir))}
	if err := json.Unmarshal(data, &b.Manifest); err != nil {
		return nil, fmt.Errorf("open bundle %s: %w", dir, err)
	}
	return b, nil
}

// Versions are the versions of what the bundle holds.
func (b *Bundle) Versions() Versions { return b.Manifest.Versions }

// Binary is the path of a program: kubelet, kubeadm, etcdutl, bridge …
func (b *Bundle) Binary(name string) (string, error) {
	for _, f := range b.Manifest.Files {
		if f.Name == name && f.Image == "" {
			return filepath.Join(b.Dir, f.Path), nil
		}
	}
	return "", fmt.Errorf("find program %s: not in bundle %s", name, b.Dir)
}

// Archives are the paths of the image archives.
func (b *Bundle) Archives() []string {
	var list []string
	for _, f := range b.Manifest.Files {
		if f.Image != "" {
			list = append(list, filepath.Join(b.Dir, f.Path))
		}
	}
	return list
}

// ImagesDigest changes when any image changes.
func (b *Bundle) ImagesDigest() string {
	var sums []string
	for _, f := range b.Manifest.Files {
		if f.Image != "" {
			sums = append(sums, f.Image, f.SHA256)
		}
	}
	return digest(sums)
}

func (b *builder) archive(ctx context.Context, i image, userspace string, binaries map[string]string) (string, error) {
	inputs := []any{i, 1}
	for _, in := range sortedKeys(i.Files) {
		inputs = append(inputs, binaries[i.Files[in]])
	}
	var bases []string
	if i.Userspace {
		bases = append(bases, userspace)
	}
	if i.Packages != nil {
		layer, err := b.program(ctx, *i.Packages)
		if err != nil {
			return "", err
		}
		bases = append(bases, layer)
	}
	for _, base := range bases {
		inputs = append(inputs, base)
	}
	start := time.Now()
	dir, built, err := b.store.item("image", digest(inputs), func(dir string) error {
		return i.write(filepath.Join(dir, "image.tar"), bases, func(p string) string { return binaries[p] })
	})
	if err != nil {
		return "", fmt.Errorf("write image %s: %w", i.Ref, err)
	}
	if built {
		b.logf("wrote image %s in %.1fs", i.Ref, time.Since(start).Seconds())
	}
	return filepath.Join(dir, "image.tar"), nil
}

// assemble links the items into one directory; nothing is copied.
func assemble(dir string, v Versions, list []program, binaries, archives map[string]string) error {
	m := Manifest{Versions: v}
	add := func(source, path string, f File) error {
		target := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.Link(source, target); err != nil {
			return err
		}
		f.Path = path
		var err error
		if f.SHA256, f.Size, err = sum(target); err != nil {
			return err
		}
		m.Files = append(m.Files, f)
		return nil
	}
	for _, p := range list {
		sub := "bin"
		if slices.Contains(cniPlugins, p.Name) {
			sub = "cni"
		}
		if err := add(binaries[p.Name], filepath.Join(sub, p.Name), File{Name: p.Name, Version: p.Version}); err != nil {
			return err
		}
	}
	for _, i := range images(v) {
		if err := add(archives[i.Ref], filepath.Join("images", i.archive()), File{Name: i.archive(), Image: i.Ref}); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), append(data, '\n'), 0o644)
}

func sum(path string) (string, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
