package phases

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/addons"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

func addon() plan.Phase {
	return plan.Phase{
		Name:  "addon",
		Short: "Install CoreDNS, kube-proxy and the pod network",
		Sub: []plan.Phase{
			addonPhase("coredns", "Install CoreDNS", func(in plan.Input) ([]*unstructured.Unstructured, error) {
				if in.Cluster.DNS.Disabled {
					return nil, nil
				}
				images, err := manifests.Images(in.Cluster)
				if err != nil {
					return nil, err
				}
				list, err := addons.CoreDNS(in.Cluster, images.CoreDNS)
				if err != nil {
					return nil, err
				}
				return patchedCoreDNS(in.Node, list)
			}),
			addonPhase("kube-proxy", "Install kube-proxy", func(in plan.Input) ([]*unstructured.Unstructured, error) {
				if in.Cluster.ProxyDisabled {
					return nil, nil
				}
				images, err := manifests.Images(in.Cluster)
				if err != nil {
					return nil, err
				}
				return addons.KubeProxy(in.Cluster, in.Node, images.Proxy)
			}),
			addonPhase("pod-network", "Install the pod network", func(in plan.Input) ([]*unstructured.Unstructured, error) {
				switch in.Cluster.PodNetwork.Kind {
				case cluster.PodNetworkFlannel:
					return addons.Flannel(in.Cluster, in.Node, addons.FlannelImages{})
				case cluster.PodNetworkManifest:
					return addons.Manifest(in.Cluster.PodNetwork.Manifest)
				default:
					return nil, nil
				}
			}),
		},
	}
}

func addonPhase(name, short string, build func(plan.Input) ([]*unstructured.Unstructured, error)) plan.Phase {
	return plan.Phase{
		Name: name, Short: short, Example: "clusteradm init phase addon " + name,
		Plan: func(in plan.Input) ([]plan.Group, error) {
			list, err := build(in)
			if err != nil {
				return nil, err
			}
			// Namespaces and definitions of kinds first: the others need them.
			var first, rest []*unstructured.Unstructured
			for _, o := range list {
				if o.GetKind() == "Namespace" || o.GetKind() == "CustomResourceDefinition" {
					first = append(first, o)
				} else {
					rest = append(rest, o)
				}
			}
			groups := serial(objects(first)...)
			if len(first) == 0 {
				groups = nil
			}
			return append(groups, together(objects(rest))...), nil
		},
	}
}
