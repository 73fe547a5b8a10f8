package phases

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// EtcdInit is what makes a machine the first member of an etcd that control
// planes elsewhere use: its certificates, its static pod, and a kubelet that
// belongs to no cluster to run it.
func EtcdInit() []plan.Phase {
	const list = "etcd init"
	return []plan.Phase{
		etcdPreflight(list),
		etcdCerts(list, "etcd-ca", "etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"),
		etcdLocal(list),
		kubeletStandalone(list),
		waitEtcd(list),
	}
}

// EtcdJoin is what makes a machine a further member. It is a learner, without a
// vote, until it has caught up: so it costs the others no quorum while it starts.
func EtcdJoin() []plan.Phase {
	const list = "etcd join"
	return []plan.Phase{
		etcdPreflight(list),
		etcdCerts(list, "etcd-server", "etcd-peer", "etcd-healthcheck-client", "apiserver-etcd-client"),
		furtherMember(list),
		kubeletStandalone(list),
		voter(list),
		waitEtcd(list),
	}
}

// etcdPreflight pulls what an etcd machine runs.
func etcdPreflight(list string) plan.Phase {
	return plan.Phase{
		Name:    "preflight",
		Short:   "Check the machine before " + list + ", and pull etcd's image",
		Example: "clusteradm " + list + " phase preflight",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if in.Node.ImagePullPolicy == string(corev1.PullNever) || !in.HostFacts().Runtime.Answers {
				return nil, nil
			}
			images, err := manifests.Images(in.Cluster)
			if err != nil {
				return nil, err
			}
			return []plan.Group{pull(in, []string{images.Pause, images.Etcd})}, nil
		},
	}
}

// etcdCerts makes certificates of etcd's authority alone.
func etcdCerts(list string, names ...string) plan.Phase {
	phase := certs()
	phase.Short = "Make etcd's certificates and keys"
	phase.Example, phase.Sub = "clusteradm "+list+" phase certs all", nil
	for _, name := range names {
		phase.Sub = append(phase.Sub, certificate(list, name))
	}
	return phase
}

// etcdLocal keeps what a member that joined was told of the others: told that it
// is alone, it would found a second cluster once its data are lost.
func etcdLocal(list string) plan.Phase {
	phase := etcd()
	local := &phase.Sub[0]
	local.Short, local.Example = "Write the static pod manifest of etcd", "clusteradm "+list+" phase etcd local"
	local.Plan = func(in plan.Input) ([]plan.Group, error) {
		flags, _ := manifests.Flags(in.HostFacts().Manifests[etcdManifest]) // where there is none there are no flags
		if flags["initial-cluster-state"] == "existing" {
			return localEtcd(in, startedWith(in))
		}
		return localEtcd(in, nil)
	}
	return phase
}

// furtherMember is a control plane's join to etcd without its turn: there is no
// API server that could keep one. Two machines that join at once wait for each
// other at etcd itself, which takes in one learner at a time.
func furtherMember(list string) plan.Phase {
	return plan.Phase{
		Name:    "etcd-member",
		Short:   "Add this machine to etcd and write its manifest",
		Example: "clusteradm " + list + " phase etcd-member https://10.0.0.1:2379",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			pod, err := etcdPod(in)
			if err != nil {
				return nil, err
			}
			steps := []plan.Step{dir(in, "data-dir", in.Cluster.Etcd.DataDir, 0o700), inUse(in), dir(in, "manifests-dir", cluster.ManifestsDir, 0o700)}
			if !in.Join.Etcd.Data {
				steps = append(steps, plan.Step{Name: "learner", Host: in.Node.Host, NoUndo: joined, Needs: []plan.Condition{othersVote(in)},
					Effect: effect.EtcdLearner{Host: in.Node.Host, PeerURL: manifests.EtcdPeerURL(in.Node)}})
			}
			return serial(append(steps, pod)...), nil
		},
	}
}

func voter(list string) plan.Phase {
	return plan.Phase{
		Name:    "etcd-join",
		Short:   "Wait for etcd on this machine and give it its vote",
		Example: "clusteradm " + list + " phase etcd-join https://10.0.0.1:2379",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			return serial(plan.Step{Name: "vote", Host: in.Node.Host, NoUndo: running, Needs: []plan.Condition{memberStarts(in)},
				Effect: effect.EtcdVoter{Host: in.Node.Host, PeerURL: manifests.EtcdPeerURL(in.Node)}}), nil
		},
	}
}

// kubeletStandalone has the kubelet run static pods and nothing else. As in a
// cluster its configuration comes last, for it may run from there on.
func kubeletStandalone(list string) plan.Phase {
	return plan.Phase{
		Name:    "kubelet-start",
		Short:   "Have the kubelet run etcd alone, in no cluster, and start it",
		Example: "clusteradm " + list + " phase kubelet-start",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			shared, err := sharedKubelet(in)
			if err != nil {
				return nil, err
			}
			config, err := manifests.StandaloneKubeletConfig(shared, in.Node)
			if err != nil {
				return nil, err
			}
			last := file(in, "config.yaml", cluster.KubeletConfig, config, 0o644)
			last.NoUndo = running
			return serial(
				dir(in, "dir", cluster.KubeletDir, 0o755),
				dir(in, "drop-in-dir", cluster.KubeletDropInDir, 0o755),
				file(in, "kubeadm-flags.env", cluster.KubeletFlagsEnv, manifests.KubeletFlagsEnv(in.Node, options(in)), 0o644),
				file(in, "drop-in", cluster.EtcdKubeletDropIn, manifests.KubeletDropIn(), 0o644),
				last,
				plan.Step{Name: "kubelet", Host: in.Node.Host, NoUndo: running, Effect: effect.Unit{Host: in.Node.Host, Name: kubeletUnit,
					Inputs: []string{cluster.KubeletConfig, cluster.KubeletFlagsEnv, cluster.EtcdKubeletDropIn}}},
			), nil
		},
	}
}

func waitEtcd(list string) plan.Phase {
	return plan.Phase{
		Name:    "wait-etcd",
		Short:   "Wait until the member of this machine is healthy",
		Example: "clusteradm " + list + " phase wait-etcd",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			return serial(plan.Step{Name: "member", Host: in.Node.Host, Effect: effect.Await{What: "etcd"}, Until: []plan.Condition{memberServes(in)}}), nil
		},
	}
}

// memberServes asks the member itself, as a client that shows a certificate.
func memberServes(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name:   "etcd to be healthy (" + manifests.EtcdClientURL(in.Node) + ")",
		Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint:   "journalctl -u kubelet.service -n 50; crictl ps -a --name etcd",
		Check: func(ctx context.Context, v plan.View) error {
			members, err := v.Etcd(in.Node.Host).Members(ctx)
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			for _, m := range members {
				if m.Name != in.Node.Name {
					continue
				}
				if err := v.Etcd(in.Node.Host).Healthy(ctx, m); err != nil {
					return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
				}
				return nil
			}
			return fmt.Errorf("%w: there is no member %s yet", plan.ErrNotYet, in.Node.Name)
		},
	})
}
