package components

import (
	"archive/tar"
	"errors"
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
)

// image is one container image: our binaries in one layer, over Debian's
// userspace where the program calls other programs. A program that is Debian's
// own has a layer of packages instead.
type image struct {
	Ref        string
	Files      map[string]string // path in the image -> program
	Entrypoint []string
	Userspace  bool
	Packages   *packages `json:",omitempty"` // left out, so that other images keep their keys
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
		image{Ref: v.HAProxyImage(), Userspace: true, Packages: haproxy(v.HAProxy), Entrypoint: []string{"haproxy"}},
		image{Ref: v.KeepalivedImage(), Userspace: true, Packages: keepalived(v.Keepalived), Entrypoint: []string{"keepalived"}},
	)
}

// AgnhostImage is the test image: upstream's agnhost with a Debian shell.
const AgnhostImage = "registry.k8s.io/e2e-test-images/agnhost:2.63.0"

// archive is the file name of the image's archive in a bundle.
func (i image) archive() string {
	return strings.NewReplacer("/", "_", ":", "_").Replace(i.Ref) + ".tar"
}

// write writes the image as a docker archive: the bases, and on them a layer of
// its own files if it has any.
func (i image) write(path string, bases []string, binary func(program string) string) error {
	var layers []v1.Layer
	for _, b := range bases {
		layer, err := tarball.LayerFromFile(b)
		if err != nil {
			return fmt.Errorf("read base layer: %w", err)
		}
		layers = append(layers, layer)
	}
	if len(i.Files) > 0 {
		layer, remove, err := i.layer(path, binary)
		if err != nil {
			return err
		}
		defer remove()
		layers = append(layers, layer)
	}
	img, err := mutate.AppendLayers(empty.Image, layers...)
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

// layer is the layer of the image's own files. It is read from a file beside
// path, which remove removes.
func (i image) layer(path string, binary func(program string) string) (_ v1.Layer, remove func(), err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".layer-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() { _ = os.Remove(tmp.Name()) }
	defer func() {
		if err != nil {
			remove()
		}
	}()
	files := map[string]string{}
	for in, program := range i.Files {
		files[in] = binary(program)
	}
	if err := errors.Join(writeLayer(tmp, files), tmp.Close()); err != nil {
		return nil, nil, err
	}
	layer, err := tarball.LayerFromFile(tmp.Name())
	return layer, remove, err
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
