package components

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/clusteradm/clusteradm/e2e/components/debian"
)

// packages are Debian packages unpacked into one layer. Their key is what they
// ask for: what Debian released at the first build stays until the cache goes.
type packages struct {
	Name  string
	Names []string
	// Version is upstream's of the package Name, which is in the image's tag and
	// must be the true one.
	Version string
	Recipe  int // raised when the way of laying them out changes
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

// haproxy is the load balancer with the libraries that it loads and the
// userspace lacks.
func haproxy(version string) *packages {
	return &packages{Name: "haproxy", Version: version, Recipe: 2, Names: []string{
		"haproxy", "libcrypt1", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1", "libstdc++6",
	}}
}

// keepalived comes with curl, for the check that asks the API server.
func keepalived(version string) *packages {
	return &packages{Name: "keepalived", Version: version, Recipe: 2, Names: []string{
		"keepalived", "libcrypt1", "libffi8", "libglib2.0-0", "libnl-3-200", "libnl-genl-3-200", "libnsl2",
		"libpci3", "libperl5.36", "libsensors5", "libsnmp40", "libudev1", "libwrap0",
		"curl", "libbrotli1", "libcurl4", "libgnutls30", "libhogweed6", "libidn2-0", "libldap-2.5-0", "libnettle8",
		"libnghttp2-14", "libp11-kit0", "libpsl5", "librtmp1", "libsasl2-2", "libssh2-1", "libtasn1-6", "libunistring2",
	}}
}

// userspace builds the tar of Debian's userspace.
func (b *builder) userspace(ctx context.Context) (string, error) {
	return b.unpack(ctx, "userspace", digest([]any{userspacePackages, 2}), userspacePackages, func(root string, _ map[string]string) error {
		// dpkg's maintainer scripts would make these.
		for link, target := range orderedPairs(
			"iptables", "iptables-nft", "iptables-save", "iptables-nft-save", "iptables-restore", "iptables-nft-restore",
			"ip6tables", "ip6tables-nft", "ip6tables-save", "ip6tables-nft-save", "ip6tables-restore", "ip6tables-nft-restore",
		) {
			if err := os.Symlink(target, filepath.Join(root, "usr/sbin", link)); err != nil {
				return err
			}
		}
		return nil
	})
}

// users are those that the packages' maintainer scripts would make.
const users = "root:x:0:0:root:/root:/bin/sh\nhaproxy:x:100:101::/var/lib/haproxy:/usr/sbin/nologin\n" +
	"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"

const groups = "root:x:0:\nhaproxy:x:101:\nnogroup:x:65534:\n"

// program builds the tar of a program that Debian packages, to be laid over the
// userspace.
func (b *builder) program(ctx context.Context, p packages) (string, error) {
	return b.unpack(ctx, p.Name, digest([]any{p, users, groups}), p.Names, func(root string, versions map[string]string) error {
		if got := debian.Upstream(versions[p.Name]); got != p.Version {
			return fmt.Errorf("unpack %s: Debian has %s, the table of versions %s", p.Name, got, p.Version)
		}
		for path, text := range map[string]string{"etc/passwd": users, "etc/group": groups} {
			if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
				return err
			}
		}
		return nil
	})
}

// unpack builds a tar of packages, finished as their maintainer scripts would.
func (b *builder) unpack(ctx context.Context, name, key string, names []string, finish func(root string, versions map[string]string) error) (string, error) {
	start := time.Now()
	dir, built, err := b.store.item(name, key, func(dir string) error {
		b.logf("unpack Debian packages for %s …", name)
		root := filepath.Join(dir, "root")
		// As the packages have it: /lib and /usr/lib are two. A link between them
		// in an upper layer would hide the loader of the lower.
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
		versions, err := debian.Unpack(ctx, root, names)
		if err != nil {
			return err
		}
		if err := finish(root, versions); err != nil {
			return err
		}
		for _, useless := range []string{"usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"} {
			if err := os.RemoveAll(filepath.Join(root, useless)); err != nil {
				return err
			}
		}
		if err := tarTree(filepath.Join(dir, name+".tar"), root); err != nil {
			return err
		}
		return os.RemoveAll(root)
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", name, err)
	}
	if built {
		b.logf("built %s in %.1fs", name, time.Since(start).Seconds())
	}
	return filepath.Join(dir, name+".tar"), nil
}
