package phases

import (
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// imageStays is why an image is not taken back.
const imageStays = "an image is a cache; the kubelet removes those that nobody uses"

// preflightPhase is carried out by the command before there is a plan, since
// its checks look at what the plan would otherwise trip over, and an image that
// no registry has is found before anything is changed.
func preflightPhase(list string) plan.Phase {
	short := "Check the machine before " + list
	if list != "reset" {
		short += ", and pull a control plane's images"
	}
	return plan.Phase{
		Name:    "preflight",
		Short:   short,
		Example: "clusteradm " + list + " phase preflight",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			switch {
			case in.Cluster == nil, in.Node.ImagePullPolicy == string(corev1.PullNever): // reset knows no cluster
				return nil, nil
			case in.Node.ControlPlane:
				return PullImages(in)
			}
			images := manifests.NodeImages(in.Cluster)
			if len(images) == 0 || !in.HostFacts().Runtime.Answers {
				return nil, nil
			}
			return []plan.Group{pull(in, images)}, nil
		},
	}
}

// PullImages are the images of a control plane of this cluster. A worker's are
// pulled by its kubelet while it joins, as with kubeadm, save that of a load
// balancer. A runtime that does not
// answer cannot be asked for any; that it does not is a check's to say.
func PullImages(in plan.Input) ([]plan.Group, error) {
	if !in.HostFacts().Runtime.Answers {
		return nil, nil
	}
	images, err := manifests.Images(in.Cluster)
	if err != nil {
		return nil, err
	}
	return []plan.Group{pull(in, images.Pull(in.Cluster))}, nil
}

func pull(in plan.Input, refs []string) plan.Group {
	group := plan.Group{Mode: plan.Parallel, TryAll: true}
	if !in.Node.ImagePullParallel {
		group.Mode = plan.Serial
	}
	for _, ref := range refs {
		name, _, _ := strings.Cut(path.Base(ref), ":")
		group.Steps = append(group.Steps, plan.Step{Name: "image-" + name, Host: in.Node.Host, NoUndo: imageStays,
			Effect: effect.Image{Host: in.Node.Host, Ref: ref}})
	}
	return group
}
