package facts

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// Remains reads what a machine has of a cluster.
func Remains(ctx context.Context, h host.Reader) (cluster.Remains, error) {
	r := cluster.Remains{}
	read := func(p string) ([]byte, error) {
		data, err := h.ReadFile(ctx, p)
		if absent(err) {
			return nil, nil
		}
		if err != nil {
			return nil, gather(h, err)
		}
		r.Node = r.Node || p != cluster.KubeletClientPEM
		return data, nil
	}
	found := map[string][]byte{}
	for _, p := range slices.Concat(managed, manifestFiles, []string{cluster.KubeletClientPEM}) {
		if p == cluster.KubernetesDir {
			continue
		}
		data, err := read(p)
		if err != nil {
			return r, err
		}
		found[p] = data
	}
	r.NodeName = strings.TrimPrefix(pki.CommonName(found[cluster.KubeletClientPEM]), "system:node:")
	manifest := found[cluster.ManifestsDir+"/etcd.yaml"]
	r.CertificatesDir = cmp.Or(certificatesDir(found[cluster.ManifestsDir+"/kube-apiserver.yaml"], found[cluster.KubeletConfig]), etcdCertificatesDir(manifest))
	if r.Etcd = localEtcd(manifest); r.Etcd == nil && manifest != nil {
		r.EtcdUnread = cluster.ManifestsDir + "/etcd.yaml is not understood: it is no pod with a data directory"
	}
	if manifest == nil {
		data, err := h.ReadDir(ctx, usualEtcdData)
		if err != nil && !absent(err) {
			return r, gather(h, err)
		}
		r.EtcdOrphan = len(data) > 0
	}
	if err := gatherEtcdFiles(ctx, h, r.Etcd); err != nil {
		return r, err
	}
	if _, err := h.Stat(ctx, cluster.FlannelConf); err == nil {
		r.Flannel = true
	} else if !absent(err) {
		return r, gather(h, err)
	}
	return r, gatherFirewall(ctx, h, &r)
}

// usualEtcdData is where etcd keeps its data unless it is told otherwise.
const usualEtcdData = "/var/lib/etcd/member"

// gatherFirewall finds the programs: where both kinds of iptables are, each has
// rules of its own, and the plain name is one of them.
func gatherFirewall(ctx context.Context, h host.Reader, r *cluster.Remains) error {
	has := func(args ...string) (bool, error) {
		_, err := h.Query(ctx, host.Cmd{Args: args})
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return !errors.Is(err, fs.ErrNotExist), nil
	}
	for _, base := range []string{"iptables", "ip6tables"} {
		kinds := 0
		for _, program := range []string{base + "-legacy", base + "-nft", base} {
			if program == base && kinds > 0 {
				continue
			}
			ok, err := has(program + "-save")
			if err != nil {
				return err
			}
			if ok {
				kinds++
				r.Firewall = append(r.Firewall, program)
			}
		}
	}
	var err error
	r.NFT, err = has("nft", "list", "tables")
	return err
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// localEtcd reads etcd's static pod; what is none, of whatever cause, gives nil.
func localEtcd(manifest []byte) *cluster.LocalEtcd {
	flags, err := manifests.Flags(manifest)
	if err != nil {
		return nil
	}
	e := &cluster.LocalEtcd{
		Name: flags["name"], PeerURLs: list(flags["initial-advertise-peer-urls"]), DataDir: flags["data-dir"],
		Endpoints:  slices.Concat(list(flags["listen-client-urls"]), others(flags["initial-cluster"])),
		ClientURLs: list(flags["advertise-client-urls"]),
		CAFile:     flags["trusted-ca-file"], CertFile: flags["cert-file"], KeyFile: flags["key-file"],
	}
	e.DataDir = cmp.Or(mounted(manifest, "etcd-data"), e.DataDir)
	if !path.IsAbs(e.DataDir) || path.Clean(e.DataDir) == "/" {
		return nil
	}
	e.DataDir = path.Clean(e.DataDir)
	return e
}

// mounted is the directory of this machine behind a static pod's volume.
func mounted(manifest []byte, volume string) string {
	var p corev1.Pod
	if yaml.Unmarshal(manifest, &p) == nil {
		for _, v := range p.Spec.Volumes {
			if v.Name == volume && v.HostPath != nil {
				return v.HostPath.Path
			}
		}
	}
	return ""
}

// others is where the members are asked that this one was told of when it
// joined: "cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380".
func others(initial string) []string {
	var endpoints []string
	for _, member := range list(initial) {
		_, peer, _ := strings.Cut(member, "=")
		if u, err := url.Parse(peer); err == nil && u.Hostname() != "" {
			endpoints = append(endpoints, u.Scheme+"://"+net.JoinHostPort(u.Hostname(), "2379"))
		}
	}
	return endpoints
}

// gatherEtcdFiles finds the certificate to ask etcd with: the one for health
// checks, or the server's own, which is for clients too.
func gatherEtcdFiles(ctx context.Context, h host.Reader, e *cluster.LocalEtcd) error {
	if e == nil {
		return nil
	}
	entries, err := h.ReadDir(ctx, path.Join(e.DataDir, "member"))
	if err != nil && !absent(err) {
		return gather(h, err)
	}
	e.HasData = len(entries) > 0
	if _, err := h.Stat(ctx, path.Join(e.DataDir, cluster.EtcdGivenUp)); err == nil {
		e.GivenUp = true
	} else if !absent(err) {
		return gather(h, err)
	}
	health := path.Join(path.Dir(e.CAFile), "healthcheck-client")
	if _, err := h.Stat(ctx, health+".key"); err == nil {
		e.CertFile, e.KeyFile = health+".crt", health+".key"
	}
	return nil
}

// certificateFlags are flags of the API server that kubeadm gives files of its
// own certificates directory, by the names that they have there.
var certificateFlags = [][2]string{
	{"client-ca-file", "ca.crt"}, {"service-account-signing-key-file", "sa.key"}, {"tls-private-key-file", "apiserver.key"},
	{"requestheader-client-ca-file", "front-proxy-ca.crt"}, {"kubelet-client-key", "apiserver-kubelet-client.key"},
}

// CertificatesDir is where an API server with these flags has its certificates
// from; empty when they do not tell. Users give it files of their own, too, and
// of the same names: so most of them count.
func CertificatesDir(flag func(name string) string) string {
	found, most := map[string]int{}, ""
	for _, f := range certificateFlags {
		dir, base := path.Split(flag(f[0]))
		if dir = path.Clean(dir); base != f[1] || !path.IsAbs(dir) || dir == "/" {
			continue
		}
		if found[dir]++; most == "" || found[dir] > found[most] {
			most = dir
		}
	}
	return most
}

// certificatesDir is where the API server or the kubelet has its CA from.
func certificatesDir(apiServer, kubelet []byte) string {
	flags, _ := manifests.Flags(apiServer) // on a worker there is none
	if dir := CertificatesDir(func(name string) string { return flags[name] }); dir != "" {
		return dir
	}
	var config struct {
		Authentication struct {
			X509 struct {
				ClientCAFile string `json:"clientCAFile"`
			} `json:"x509"`
		} `json:"authentication"`
	}
	if yaml.Unmarshal(kubelet, &config) != nil {
		return ""
	}
	return CertificatesDir(func(name string) string {
		if name == "client-ca-file" {
			return config.Authentication.X509.ClientCAFile
		}
		return ""
	})
}

// etcdCertificatesDir is where the certificates of a machine are that runs
// nothing but etcd.
func etcdCertificatesDir(manifest []byte) string {
	flags, _ := manifests.Flags(manifest) // where there is none there are no flags
	if dir, ok := strings.CutSuffix(flags["trusted-ca-file"], "/etcd/ca.crt"); ok && path.IsAbs(dir) {
		return dir
	}
	return ""
}

// EtcdMembers asks etcd for its members and each of them how it is.
func EtcdMembers(ctx context.Context, r etcd.Reader, e *cluster.LocalEtcd) error {
	members, _, err := etcd.Look(ctx, r)
	if err != nil {
		e.Unknown = err.Error()
		return ctx.Err()
	}
	e.Members = members
	return nil
}

// Pods asks the container runtime whether it can be asked.
func Pods(ctx context.Context, r cri.Reader, remains *cluster.Remains) error {
	if _, err := r.Sandboxes(ctx); err != nil {
		remains.Runtime = err.Error()
	}
	return ctx.Err()
}
