package components

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// image is one container image: our binaries in one layer, over Debian's
// userspace where the program calls other programs.
type image struct {
	Ref        string
	Files      map[string]string // path in the image -> program
	Entrypoint []string
	Userspace  bool
}

func images(v Versions) []image {
	list := []image{}
	for _, n := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		list = append(list, image{Ref: "registry.k8s.io/" + n + ":" + v.Kubernetes, Files: map[string]string{"/usr/local/bin/" + n: n}, Entrypoint: []string{"/usr/local/bin/" + n}})
	}
	return append(list,
		image{Ref: "registry.k8s.io/kube-proxy:" + v.Kubernetes, Userspace: true,
			Files: map[string]string{"/usr/local/bin/kube-proxy": "kube-proxy"}, Entrypoint: []string{"/usr/local/bin/kube-proxy"}},
		image{Ref: "registry.k8s.io/etcd:" + v.EtcdTag(),
			Files: map[string]string{"/usr/local/bin/etcd": "etcd", "/usr/local/bin/etcdctl": "etcdctl", "/usr/local/bin/etcdutl": "etcdutl"}, Entrypoint: []string{"/usr/local/bin/etcd"}},
		image{Ref: "registry.k8s.io/coredns/coredns:" + v.CoreDNSTag(), Files: map[string]string{"/coredns": "coredns"}, Entrypoint: []string{"/coredns"}},
		image{Ref: v.PauseImage(), Files: map[string]string{"/pause": "pause"}, Entrypoint: []string{"/pause"}},
		image{Ref: AgnhostImage, Userspace: true, Files: map[string]string{"/agnhost": "agnhost"}, Entrypoint: []string{"/agnhost"}},
		image{Ref: "ghcr.io/flannel-io/flannel:" + v.Flannel, Userspace: true,
			Files: map[string]string{"/opt/bin/flanneld": "flanneld"}, Entrypoint: []string{"/opt/bin/flanneld"}},
		image{Ref: "ghcr.io/flannel-io/flannel-cni-plugin:" + v.FlannelCNI, Userspace: true,
			Files: map[string]string{"/flannel": "flannel"}, Entrypoint: []string{"/flannel"}},
	)
}

// AgnhostImage is the test image: upstream's agnhost with a Debian shell.
const AgnhostImage = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"

// archive is the file name of the image's archive in a bundle.
func (i image) archive() string {
	return strings.NewReplacer("/", "_", ":", "_").Replace(i.Ref) + ".tar"
}

// write writes the image as a docker archive.
func (i image) write(path, userspace string, binary func(program string) string) error {
	var layers []v1.Layer
	if i.Userspace {
		base, err := tarball.LayerFromFile(userspace)
		if err != nil {
			return fmt.Errorf("read userspace layer: %w", err)
		}
		layers = append(layers, base)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".layer-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	files := map[string]string{}
	for in, program := range i.Files {
		files[in] = binary(program)
	}
	if err := writeLayer(tmp, files); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromFile(tmp.Name())
	if err != nil {
		return err
	}
	img, err := mutate.AppendLayers(empty.Image, append(layers, layer)...)
	if err != nil {
		return err
	}
	img, err = mutate.ConfigFile(img, i.config(img))
	if err != nil {
		return err
	}
	tag, err := name.NewTag(i.Ref)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(path, tag, img)
}

func (i image) config(img v1.Image) *v1.ConfigFile {
	file := &v1.ConfigFile{}
	if old, err := img.ConfigFile(); err == nil {
		file = old.DeepCopy()
	}
	file.Architecture, file.OS = "amd64", "linux"
	file.Config = v1.Config{
		Entrypoint: i.Entrypoint,
		WorkingDir: "/",
		// kube-proxy and flanneld find iptables and nft in the sbin directories.
		Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	}
	return file
}

// writeLayer writes files as a tar with fixed times, so that equal inputs give
// an equal layer.
func writeLayer(w io.Writer, files map[string]string) error {
	tw := tar.NewWriter(w)
	made := map[string]bool{"/": true}
	for _, path := range sortedKeys(files) {
		for _, dir := range parents(path) {
			if !made[dir] {
				made[dir] = true
				if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir[1:] + "/", Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
					return err
				}
			}
		}
		if err := copyIntoTar(tw, path[1:], files[path]); err != nil {
			return fmt.Errorf("add %s: %w", path, err)
		}
	}
	return tw.Close()
}

func copyIntoTar(tw *tar.Writer, name, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: info.Size(), ModTime: time.Unix(0, 0)}); err != nil {
		return err
	}
	_, err = io.Copy(tw, f)
	return err
}

func parents(path string) []string {
	var list []string
	for i, c := range path {
		if c == '/' && i > 0 {
			list = append(list, path[:i])
		}
	}
	return list
}

// userspacePackages are what kube-proxy, flanneld and the test image call:
// iptables, nft, conntrack, ip, a shell, cp, with the libraries they load.
var userspacePackages = []string{
	"base-files", "bash", "conntrack", "coreutils", "dash", "iproute2", "iptables", "netbase", "nftables", "procps",
	"libacl1", "libattr1", "libbpf1", "libbsd0", "libc6", "libcap2", "libcap2-bin", "libedit2", "libelf1", "libgcc-s1",
	"libgmp10", "libip4tc2", "libip6tc2", "libjansson4", "libmd0", "libmnl0", "libmount1", "libblkid1", "libnetfilter-conntrack3",
	"libnfnetlink0", "libnftables1", "libnftnl11", "libpcre2-8-0", "libproc2-0", "libselinux1", "libtinfo6", "libncursesw6",
	"libtirpc3", "libgssapi-krb5-2", "libkrb5-3", "libk5crypto3", "libcom-err2", "libkrb5support0", "libkeyutils1", "libssl3",
	"libsystemd0", "libgcrypt20", "libgpg-error0", "liblzma5", "libzstd1", "liblz4-1", "libxtables12", "zlib1g",
}

// userspace builds the tar of Debian's userspace. Its key is the list of
// packages: what Debian released at the first build stays until the cache goes.
func (b *builder) userspace(ctx context.Context) (string, error) {
	start := time.Now()
	dir, built, err := b.store.item("userspace", digest([]any{userspacePackages, 2}), func(dir string) error {
		b.logf("unpack Debian userspace for images …")
		root := filepath.Join(dir, "root")
		// Merged /usr from the start, as Debian's own roots have it.
		for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
			if err := os.MkdirAll(filepath.Join(root, "usr", d), 0o755); err != nil {
				return err
			}
			if err := os.Symlink("usr/"+d, filepath.Join(root, d)); err != nil {
				return err
			}
		}
		if err := debian.Unpack(ctx, root, userspacePackages); err != nil {
			return err
		}
		// dpkg's maintainer scripts would make these.
		for link, target := range orderedPairs(
			"iptables", "iptables-nft", "iptables-save", "iptables-nft-save", "iptables-restore", "iptables-nft-restore",
			"ip6tables", "ip6tables-nft", "ip6tables-save", "ip6tables-nft-save", "ip6tables-restore", "ip6tables-nft-restore",
		) {
			if err := os.Symlink(target, filepath.Join(root, "usr/sbin", link)); err != nil {
				return err
			}
		}
		for _, useless := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"} {
			if err := os.RemoveAll(filepath.Join(root, useless)); err != nil {
				return err
			}
		}
		if err := tarTree(filepath.Join(dir, "userspace.tar"), root); err != nil {
			return err
		}
		return os.RemoveAll(root)
	})
	if err != nil {
		return "", fmt.Errorf("build userspace: %w", err)
	}
	if built {
		b.logf("built userspace in %.1fs", time.Since(start).Seconds())
	}
	return filepath.Join(dir, "userspace.tar"), nil
}

// tarTree writes the tree under root with fixed times and root as owner.
func tarTree(path, root string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tw := tar.NewWriter(f)
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if link, err = os.Readlink(p); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(info, link)
		if err != nil {
			return err
		}
		if h.Name, err = filepath.Rel(root, p); err != nil {
			return err
		}
		h.ModTime, h.Uid, h.Gid, h.Uname, h.Gname = time.Unix(0, 0), 0, 0, "", ""
		h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
		if d.IsDir() {
			h.Name += "/"
		}
		if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
			return err
		}
		in, err := os.Open(p)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(tw, in)
		return err
	})
	if err != nil {
		return err
	}
	return tw.Close()
}
