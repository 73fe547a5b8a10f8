package phases

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// Reset is what takes a machine out of its cluster: what clusteradm or kubeadm
// made, and nothing else.
func Reset() []plan.Phase {
	return []plan.Phase{
		preflightPhase("reset"),
		removeEtcdMember(),
		cleanupNode(),
	}
}

// forGood is why a step of reset is not taken back.
const forGood = "what a reset removed is not kept"

// removeEtcdMember comes first: the others must not wait for a member whose
// data are gone. The data go in cleanup-node, when no etcd runs on them.
func removeEtcdMember() plan.Phase {
	return plan.Phase{
		Name:    "remove-etcd-member",
		Short:   "Remove this node's member from the etcd cluster",
		Long:    "The member is removed only if the others have a quorum without it. Alone in its cluster it stays in it.",
		Example: "clusteradm reset phase remove-etcd-member",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			e := in.Reset.Remains.Etcd
			if e == nil {
				return nil, nil
			}
			m := e.Removal().Member
			if m == nil {
				return nil, nil
			}
			step := gone(in, "member", effect.EtcdMember{Host: in.Node.Host, ID: m.ID, Name: e.Name})
			step.Needs = []plan.Condition{settles(in)}
			return serial(step), nil
		},
	}
}

// settles is that etcd tells of the member: where it then refuses to lose it for
// the moment, since a voter is only seconds old, it is asked again.
func settles(in plan.Input) plan.Condition {
	return plan.Condition{Name: "etcd to let its member go", Within: settledWithin, Hint: "clusteradm etcd status",
		Check: func(ctx context.Context, v plan.View) error {
			_, err := v.Etcd(in.Node.Host).Members(ctx)
			return err
		}}
}

func cleanupNode() plan.Phase {
	return plan.Phase{
		Name:  "cleanup-node",
		Short: "Stop the kubelet and remove pods, network, files and what --fix did",
		Long: `The kubelet is stopped first, so that it starts nothing again. What says
where things are is removed last, so that an interrupted reset goes on.`,
		Example: "clusteradm reset phase cleanup-node",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			h := in.Node.Host
			steps := []plan.Step{
				gone(in, "kubelet", effect.Stopped{Host: h, Name: kubeletUnit}),
				// Without its drop-in the kubelet of an etcd machine does not start
				// by itself at the next boot.
				gone(in, "etcd-drop-in", effect.NoDropIn{Host: h, Unit: kubeletUnit, Path: cluster.EtcdKubeletDropIn}),
				gone(in, "empty-drop-in-dir", effect.Tree{Host: h, Path: cluster.KubeletDropInDir, Names: []string{}}),
			}
			e := in.Reset.Remains.Etcd
			if in.Reset.KeepEtcdData {
				e = nil
			}
			if e != nil && e.HasData {
				steps = append(steps, gone(in, "etcd-given-up", effect.File{Host: h, Path: e.DataDir + "/" + cluster.EtcdGivenUp,
					Content: secret.NewBytes([]byte("These data are of a member that nobody counts on; clusteradm reset removes them.\n")), Attr: host.Attr{Mode: 0o600}}))
			}
			steps = append(steps, endpointStopped(in)...)
			if in.Reset.Remains.Runtime == "" {
				steps = append(steps, gone(in, "pods", effect.Sandboxes{Host: h}))
			}
			steps = append(steps, gone(in, "mounts", effect.Mounts{Host: h, Below: cluster.KubeletDir,
				Force: slices.Contains(in.Reset.UnmountFlags, "MNT_FORCE"), Detach: slices.Contains(in.Reset.UnmountFlags, "MNT_DETACH")}))
			// Should the machine boot before the end, no API server may serve an
			// etcd that begins anew: kubelets would take it for their cluster.
			steps = append(steps, gone(in, "api-manifest", effect.Tree{Host: h, Path: cluster.ManifestsDir + "/kube-apiserver.yaml"}))
			if e != nil {
				steps = append(steps, tree(in, "etcd-data", e.DataDir, "member", cluster.EtcdGivenUp))
			}
			steps = slices.Concat(steps, networkRemains(in), endpointRemains(in), fileRemains(in))
			for _, g := range Unfix(in) {
				for _, s := range g.Steps {
					s.NoUndo = forGood
					steps = append(steps, s)
				}
			}
			return serial(steps...), nil
		},
	}
}

// networkRemains is what kube-proxy, the kubelet and flannel leave in the
// kernel and on disk, told by names that are theirs. Flannel's configuration
// is the sign that its plugin came with it, and goes last.
func networkRemains(in plan.Input) []plan.Step {
	h, r := in.Node.Host, in.Reset.Remains
	steps := []plan.Step{gone(in, "interfaces", effect.Links{Host: h, Names: []effect.Link{
		{Name: "cni0", Kind: "bridge"}, {Name: "flannel.1", Kind: "vxlan"}, {Name: "flannel-v6.1", Kind: "vxlan"}, {Name: "kube-ipvs0", Kind: "dummy"},
	}})}
	for _, program := range r.Firewall {
		steps = append(steps, gone(in, program, effect.Chains{Host: h, Program: program, Prefixes: []string{"KUBE-", "FLANNEL-"}}))
	}
	if r.NFT {
		steps = append(steps, gone(in, "nft", effect.Tables{Host: h, Names: []string{"ip kube-proxy", "ip6 kube-proxy", "ip flannel-ipv4", "ip6 flannel-ipv6"}}))
	}
	steps = append(steps,
		gone(in, "run-flannel", effect.Tree{Host: h, Path: "/run/flannel"}),
		tree(in, "cni-networks", "/var/lib/cni/networks", flannelNetwork),
		tree(in, "cni-results", "/var/lib/cni/results", flannelNetwork+"-*"),
		tree(in, "cni", "/var/lib/cni", "flannel"),
	)
	if r.Flannel {
		steps = append(steps, gone(in, "flannel-plugin", effect.Tree{Host: h, Path: cluster.FlannelPlugin}))
	}
	return append(steps, gone(in, "flannel-conf", effect.Tree{Host: h, Path: cluster.FlannelConf}))
}

// flannelNetwork is the name of the network in flannel's CNI configuration.
const flannelNetwork = "cbr0"

// fileRemains is what init, join and the kubelet write. Where others may keep
// files too, what goes is told by its name.
func fileRemains(in plan.Input) []plan.Step {
	h, certificates := in.Node.Host, in.Reset.CertificatesDir
	names := map[string][]string{}
	for _, s := range pki.Tree(&cluster.Cluster{CertificatesDir: certificates}, in.Node) {
		dir, base := path.Dir(s.CertPath()), path.Base(s.Base)
		names[dir] = append(names[dir], base+".crt", base+".key", base+".pub", base+".csr")
	}
	var configs []string
	for _, p := range []string{cluster.AdminConf, cluster.SuperAdminConf, cluster.KubeletConf,
		cluster.BootstrapKubeletConf, cluster.ControllerConf, cluster.SchedulerConf} {
		configs = append(configs, path.Base(p), path.Base(p)+".csr")
	}
	// Where the certificates are, the kubelet's configuration tells too, which
	// goes after them.
	steps := []plan.Step{
		tree(in, "etcd-certificates", certificates+"/etcd", names[certificates+"/etcd"]...),
		tree(in, "certificates", certificates, names[certificates]...),
		// The kubelet's package brings the directories for its state and its
		// manifests; kubeadm keeps them, too.
		gone(in, "kubelet-dir", effect.Tree{Host: h, Path: cluster.KubeletDir, Stays: true}),
		gone(in, "manifests", effect.Tree{Host: h, Path: cluster.ManifestsDir, Stays: true,
			Names: []string{"kube-apiserver.yaml", "kube-controller-manager.yaml", "kube-scheduler.yaml", "etcd.yaml",
				manifests.HAProxyName + ".yaml", manifests.KeepalivedName + ".yaml"}}),
	}
	// The kubelet makes a directory for volume plugins of others when it starts.
	for dir := "/usr/libexec/kubernetes/kubelet-plugins/volume/exec"; dir != "/usr/libexec"; dir = path.Dir(dir) {
		steps = append(steps, gone(in, "empty-"+path.Base(dir), effect.Tree{Host: h, Path: dir, Names: []string{}}))
	}
	if in.Reset.CleanupTmpDir {
		steps = append(steps, gone(in, "tmp", effect.Tree{Host: h, Path: cluster.KubernetesDir + "/tmp"}))
	}
	return append(steps, tree(in, "kubeconfigs", cluster.KubernetesDir, configs...))
}

func tree(in plan.Input, name, dir string, names ...string) plan.Step {
	return gone(in, name, effect.Tree{Host: in.Node.Host, Path: strings.TrimSuffix(dir, "/"), Names: names})
}

func gone(in plan.Input, name string, e plan.Effect) plan.Step {
	return plan.Step{Name: name, Host: in.Node.Host, Effect: e, NoUndo: forGood}
}
