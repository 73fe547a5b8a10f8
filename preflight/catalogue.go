package preflight

import (
	"slices"
	"strings"
)

// Doc describes one check, or a family of them whose names end in what they
// look at. Help and documentation are made from these.
type Doc struct {
	Name  string // "Port-*" for a family
	Level string // "error", "warning" or both
	Lists string // where it is made
	Ours  bool   // kubeadm has no check of this name
	Finds string
}

// Catalogue is every check there is.
func Catalogue() []Doc {
	const both, first, planes, local, external = "init, join", "init", "init, join as a control plane", "init, join as a control plane, with a local etcd", "init with an external etcd"
	const e, w, ew = "error", "warning", "error, warning"
	return []Doc{
		{"IsPrivilegedUser", e, "init, join, reset", false, "the effective user is not root; no other check is made then"},
		{"NumCPU", e, planes, false, "fewer than 2 CPUs"},
		{"Mem", e, planes, false, "less than 1700 MB of memory, 1 MB being 1024 × 1024 bytes as with kubeadm"},
		{"KubernetesVersion", w, planes, false, "a minor version of Kubernetes that is newer than those this clusteradm is made for"},
		{"CRI", e, "init, join, reset", false, "the container runtime does not answer on its socket, or is not ready"},
		{"ContainerRuntimeVersion", ew, both, false, "the runtime has no RuntimeConfig call; an error for a kubelet of 1.37 and later"},
		{"CgroupDriver", ew, both, true, "the runtime's cgroup driver is not the kubelet's; a warning for a kubelet of 1.31 and later, which follows the runtime"},
		{"ImagePull", e, both, false, "an image cannot be pulled, after the other checks have passed"},
		{"Swap", w, both, false, "swap is on, and the KubeletConfiguration does not have failSwapOn: false"},
		{"SystemVerification", ew, both, false, "a kernel or kernel configuration without what Kubernetes needs, control groups of version 1 with a kubelet that refuses them, missing controllers; an unreadable kernel configuration is a warning"},
		{"Hostname", w, both, false, "the node's name is no DNS name, or has no address"},
		{"KubeletVersion", e, both, false, "no kubelet, one newer than the control plane, or one more than three minors older"},
		{"Service-kubelet", e, both, false, "systemd has no unit kubelet.service, or it is masked"},
		{"Firewalld", w, both, false, "firewalld is active"},
		{"HTTPProxy", w, both, false, "the API server would be reached through a proxy"},
		{"HTTPProxyCIDR", w, planes, false, "addresses of pods or services would be reached through a proxy"},
		{"FileExisting-*", e, both, false, "losetup, mount or cp is not on the path; conntrack for Kubernetes before 1.32"},
		{"FileContent-*", ew, both, false, "IPv4 or IPv6 forwarding is off where the cluster uses the family (error); the bridge-nf-call sysctls are off (warning; kubeadm of former times)"},
		{"BridgeNetfilter", w, both, true, "br_netfilter is neither loaded nor built in"},
		{"Module-overlay", w, both, true, "the kernel has no overlay filesystem"},
		{"Port-*", e, both, false, "a port of the control plane, the kubelet, etcd or the node load balancer is taken, and by which process"},
		{"FileAvailable-*", e, both, false, "a static pod manifest, kubelet.conf, bootstrap-kubelet.conf or, to join, ca.crt of another node or cluster; the manifest of an API server on a machine that is to be a worker; the drop-in of an etcd machine's kubelet on one that is to be a node, and what a node has on one that is to be an etcd machine"},
		{"DirAvailable-*", e, local, false, "etcd's data directory is not empty"},
		{"ExternalEtcdVersion", ew, external, false, "an endpoint does not answer, a member is older than 3.5.24, one of 3.5 is older than 3.5.26 beside others of 3.6, there is no quorum, endpoints are of different clusters (errors); a member before 3.5.26 in an etcd that is not 3.6 yet, one that does not answer (warnings)"},
		{"ExternalEtcdClientCertificates", ew, external, false, "the CA, certificate or key for the external etcd is not there or not understood, the certificate is not of this CA and key, not for clients, or not valid now (errors); it expires within 30 days (warning)"},
		{"ExternalEtcdServerCertificates", ew, external, true, "a certificate that an endpoint shows is not of the CA, not for servers, not for the endpoint's name, or not valid now (errors); it expires within 30 days (warning)"},
		{"ClusterSettings", e, first, true, "the service or pod subnet, etcd's data directory or servers, or the version differs from that of the cluster on this machine, or its etcd joined others; a flag set through extraArgs is not looked at"},
		{"NetworkOverlap", ew, first, true, "the node's address is in the network of services or flannel's of pods (error), in that of another pod network, or a route of the machine overlaps with it (warning)"},
		{"VirtualIP", ew, "init and control-plane joins with a virtualIP", true, "init: another machine has the address (error); it is not in the network of the node's own (warning)"},
		{"ProductUUID", w, both, true, "no product_uuid, or one that a vendor left in many machines"},
		{"MachineID", w, both, true, "/etc/machine-id is missing, empty, uninitialized or no id"},
		{"MACAddress", w, both, true, "a network interface without a MAC address, or two with the same"},
		{"Clock", ew, both, true, "a certificate that is not valid yet (error), or a file below /etc/kubernetes that was changed in the future (warning)"},
		{"TimeSync", w, both, true, "nothing keeps the kernel's clock in time"},
		{"DiskSpace", ew, both, true, "the disk of the kubelet, the runtime or etcd is full (error) or so low that the kubelet would evict pods (warning); inodes too"},
		{"FsyncLatency", w, local, true, "the disk of etcd's data needs more than 10 ms to sync a write (99th percentile); measured on a file without a name, which leaves nothing"},
		{"EtcdQuorum", ew, "reset", true, "the etcd of the others would be without a quorum, or it cannot be told (error); etcd has data and no manifest (warning)"},
		{"Firewall", w, "reset", true, "neither iptables nor nft is there to look for rules of kube-proxy and the pod network"},
		{"Leftovers", w, both, true, "what an earlier cluster left: network configuration and interfaces, pods, firewall chains"},
	}
}

// Known reports whether an --ignore-preflight-errors can mean something: a
// check, a member of a family, or all.
func Known(name string) bool {
	return strings.EqualFold(name, "all") || slices.ContainsFunc(Catalogue(), func(d Doc) bool { return d.Covers(name) })
}

// Covers reports whether a check is described by d.
func (d Doc) Covers(name string) bool {
	prefix, family := strings.CutSuffix(d.Name, "*")
	if family {
		return len(name) > len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
	}
	return strings.EqualFold(name, d.Name)
}

// UpgradeOnly are the names of kubeadm's checks of an upgrade.
func UpgradeOnly() []string {
	return []string{"CoreDNSUnsupportedPlugins", "CoreDNSMigration", "CreateJob", "ControlPlaneNodesReady", "StaticPodManifest"}
}

// Unknown finds names to ignore that are no check's, and the nearest one that
// is. Kubeadm's checks of an upgrade are none here and may be in a
// configuration all the same.
func Unknown(ignore []string) []Finding {
	upgrade := UpgradeOnly()
	var findings []Finding
	for _, name := range ignore {
		if Known(name) || slices.ContainsFunc(upgrade, func(u string) bool { return strings.EqualFold(u, name) }) {
			continue
		}
		f := finding(Warning, "clusteradm help preflight-checks", "there is no check %q to ignore; the nearest name is %s", name, nearest(name))[0]
		f.Check = "IgnorePreflightErrors"
		findings = append(findings, f)
	}
	return findings
}

func nearest(name string) string {
	best, least := "", 0
	for _, d := range Catalogue() {
		if n := distance(strings.ToLower(name), strings.ToLower(d.Name)); best == "" || n < least {
			best, least = d.Name, n
		}
	}
	return best
}

// distance is how many letters it takes to make a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
