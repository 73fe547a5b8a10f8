package clusters

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

// Snapshot is what a control plane is, in lines that are equal for equal
// clusters: the tree with modes and owners, digests of files that hold no
// random bytes, certificates and kubeconfigs as they parse, API objects
// without what the server keeps for itself, etcd's members.
func (c *Cluster) Snapshot(ctx context.Context) ([]string, error) {
	n := c.ControlPlane()
	var all []string
	for _, part := range []func(context.Context, *nodes.Node) ([]string, error){tree, certificates, kubeconfigs, c.objects, members} {
		lines, err := part(ctx, n)
		if err != nil {
			return nil, err
		}
		all = append(all, lines...)
	}
	slices.Sort(all)
	return all, nil
}

func tree(ctx context.Context, n *nodes.Node) ([]string, error) {
	out, err := Must(ctx, n, "sh", "-c", `cd / && find etc/kubernetes var/lib/kubelet/pki var/lib/kubelet/*.yaml var/lib/kubelet/*.env -printf '%M %U:%G /%p\n' &&
find var/lib/etcd -maxdepth 1 -printf '%M %U:%G /%p\n' &&
sha256sum etc/kubernetes/manifests/*.yaml var/lib/kubelet/config.yaml var/lib/kubelet/instance-config.yaml var/lib/kubelet/kubeadm-flags.env &&
readlink -v var/lib/kubelet/pki/kubelet-client-current.pem`)
	return lines("tree", out), err
}

func certificates(ctx context.Context, n *nodes.Node) ([]string, error) {
	list, err := Must(ctx, n, "sh", "-c", "find /etc/kubernetes/pki -name '*.crt' | sort")
	if err != nil {
		return nil, err
	}
	var all []string
	certs := map[string]*x509.Certificate{}
	for _, path := range strings.Fields(list) {
		data, err := n.ReadFile(ctx, path)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("read %s: no certificate", path)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		certs[path] = cert
		all = append(all, fmt.Sprintf("cert %s subject=%s issuer=%s dns=%v ip=%v usage=%d ext=%v ca=%t days=%d", path, cert.Subject, cert.Issuer,
			cert.DNSNames, cert.IPAddresses, cert.KeyUsage, cert.ExtKeyUsage, cert.IsCA, int(cert.NotAfter.Sub(cert.NotBefore)/(24*time.Hour))))
	}
	for path, cert := range certs {
		signed := ""
		for caPath, ca := range certs {
			if ca.IsCA && cert.CheckSignatureFrom(ca) == nil {
				signed = caPath
			}
		}
		all = append(all, fmt.Sprintf("chain %s signed by %s", path, signed))
	}
	return all, nil
}

func kubeconfigs(ctx context.Context, n *nodes.Node) ([]string, error) {
	ca, err := n.ReadFile(ctx, "/etc/kubernetes/pki/ca.crt")
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range []string{"admin", "super-admin", "kubelet", "controller-manager", "scheduler"} {
		path := "/etc/kubernetes/" + name + ".conf"
		data, err := n.ReadFile(ctx, path)
		if err != nil {
			return nil, err
		}
		k, err := pki.DecodeKubeconfig(secret.NewBytes(data))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		all = append(all, fmt.Sprintf("kubeconfig %s cluster=%s user=%s server=%s trusts our ca=%t files=%s,%s", path, k.Cluster, k.User, k.Server, string(k.CA) == string(ca), k.CertFile, k.KeyFile))
	}
	return all, nil
}

// What differs between two equal clusters inside strings: certificates,
// signatures over them, and the hashes and names made from them.
var random = regexp.MustCompile(`(certificate-authority-data: )\S+|-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----|"sha256:[0-9a-f]{64}"`)

func (c *Cluster) objects(ctx context.Context, _ *nodes.Node) ([]string, error) {
	out, err := c.Kubectl(ctx, "get", "-A", "-o", "json",
		"namespaces,configmaps,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,daemonsets,deployments,services,secrets,nodes")
	if err != nil {
		return nil, err
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	var all []string
	for _, o := range list.Items {
		metadata := o["metadata"].(map[string]any)
		if o["kind"] == "Node" {
			spec, _ := o["spec"].(map[string]any)
			all = append(all, fmt.Sprintf("node %v labels=%v taints=%v", metadata["name"], metadata["labels"], stableTaints(spec["taints"])))
			continue
		}
		name := fmt.Sprintf("object %v %v/%v", o["kind"], metadata["namespace"], metadata["name"])
		for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"} {
			delete(metadata, field)
		}
		if a, ok := metadata["annotations"].(map[string]any); ok {
			delete(a, "deprecated.daemonset.template.generation")
			delete(a, "deployment.kubernetes.io/revision")
		}
		delete(o, "status")
		if data, ok := o["data"].(map[string]any); ok {
			delete(data, "jws-kubeconfig-"+strings.Split(nodes.LabToken, ".")[0])
			delete(data, "expiration") // reckoned from the time of the run that made it
		}
		if spec, ok := o["spec"].(map[string]any); ok && o["kind"] == "Namespace" {
			delete(spec, "finalizers")
		}
		text, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		all = append(all, fmt.Sprintf("%s %x", name, sha256.Sum256(random.ReplaceAll(text, []byte("$1…")))))
	}
	return all, nil
}

// stableTaints leaves out what the node controller puts on and takes off with
// the node's condition.
func stableTaints(taints any) []string {
	var kept []string
	list, _ := taints.([]any)
	for _, t := range list {
		taint, _ := t.(map[string]any)
		if key := fmt.Sprint(taint["key"]); !strings.HasPrefix(key, "node.kubernetes.io/") && !strings.HasPrefix(key, "node.cloudprovider") {
			kept = append(kept, fmt.Sprintf("%s=%v:%v", key, taint["value"], taint["effect"]))
		}
	}
	slices.Sort(kept)
	return kept
}

func members(ctx context.Context, n *nodes.Node) ([]string, error) {
	list, err := Members(ctx, n)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, m := range list {
		all = append(all, fmt.Sprintf("etcd member %s %v learner=%t", m.Name, m.PeerURLs, m.IsLearner))
	}
	return all, nil
}

func lines(prefix, text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		all = append(all, prefix+" "+strings.TrimSpace(line))
	}
	return all
}

// Diff is the lines that only one snapshot has.
func Diff(want, got []string) string {
	var b strings.Builder
	for _, l := range want {
		if !slices.Contains(got, l) {
			fmt.Fprintln(&b, "-"+l)
		}
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			fmt.Fprintln(&b, "+"+l)
		}
	}
	return b.String()
}
