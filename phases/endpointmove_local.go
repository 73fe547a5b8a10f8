package phases

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// wanted is the input for what is rendered: of the cluster as it is to be.
func wanted(in plan.Input) plan.Input {
	in.Cluster, in.Join.CA = in.Endpoint.After, in.Endpoint.CA
	return in
}

// replaced are steps of init and join in a change of the endpoint: what of them
// is not taken back has another reason.
func replaced(steps []plan.Step) []plan.Step {
	for i := range steps {
		if steps[i].NoUndo != "" {
			steps[i].NoUndo = moved
		}
	}
	return steps
}

// bringVirtualIP comes before anything waits for the endpoint, which may be it.
// A keepalived that runs takes a changed configuration up by a new container.
func bringVirtualIP(in plan.Input) ([]plan.Group, error) {
	v := in.Endpoint.After.VirtualIP
	if v == nil || !in.Node.ControlPlane {
		return nil, nil
	}
	files, err := VirtualIPFiles(wanted(in))
	if err != nil {
		return nil, err
	}
	steps := replaced(files)
	if before := in.Cluster.VirtualIP; before != nil && *before != *v {
		steps = append(steps, plan.Step{Name: "pod", Host: in.Node.Host, NoUndo: moved, Effect: effect.StaticPod{
			Host: in.Node.Host, Name: manifests.KeepalivedName, Inputs: []effect.Input{{Path: manifests.KeepalivedConfig}}}})
	}
	return serial(append(steps, plan.Step{Name: "address", Host: in.Node.Host, Effect: effect.Await{What: "virtual IP"},
		Until: []plan.Condition{virtualIPAnswers(wanted(in))}})...), nil
}

// EndpointImages are those of what an endpoint runs on this machine, pulled
// before anything is changed.
func EndpointImages() plan.Phase {
	return plan.Phase{
		Name: "images", Short: "Pull the images of the load balancer and the virtual IP", Example: endpointExample,
		Plan: func(in plan.Input) ([]plan.Group, error) {
			var refs []string
			if b := in.Endpoint.After.LoadBalancer; b != nil {
				refs = append(refs, b.Image)
			}
			if v := in.Endpoint.After.VirtualIP; v != nil && in.Node.ControlPlane {
				refs = append(refs, v.Image)
			}
			if len(refs) == 0 {
				return nil, nil
			}
			return []plan.Group{pull(in, refs)}, nil
		},
	}
}

// EndpointFiles are what is looked at of a machine besides its facts: all that
// an endpoint may have left there.
func EndpointFiles() []string { return append(balancerLeaves(), virtualIPLeaves()...) }

func balancerLeaves() []string {
	return []string{manifests.FollowUnitFile, followUnitLink, podManifest(manifests.HAProxyName), manifests.HAProxyDir}
}

func virtualIPLeaves() []string {
	return []string{podManifest(manifests.KeepalivedName), manifests.KeepalivedDir}
}

// followUnitLink has systemd start the unit with the machine.
const followUnitLink = "/etc/systemd/system/multi-user.target.wants/" + manifests.FollowUnit

func podManifest(name string) string { return cluster.ManifestsDir + "/" + name + ".yaml" }

// bringBalancer comes before this machine's kubelet uses it.
func bringBalancer(in plan.Input) ([]plan.Step, error) {
	if in.Endpoint.After.LoadBalancer == nil {
		return nil, nil
	}
	after := wanted(in)
	files, err := BalancerFiles(after)
	if err != nil {
		return nil, err
	}
	config, err := balancerConfig(after)
	if err != nil {
		return nil, err
	}
	follower := replaced(Follower(after))
	follower[0].NoUndo = "" // a file, which starts nothing
	known := plan.Step{Name: "known", Host: in.Node.Host, Effect: effect.Await{What: "load balancer's pod"}, Until: []plan.Condition{balancerKnown(in)}}
	return append(slices.Concat(files, replaced([]plan.Step{balancerRuns(after, config)}), follower), known), nil
}

// balancerKnown holds when the cluster can see that this machine has its load
// balancer, for which kube-proxy waits.
func balancerKnown(in plan.Input) plan.Condition {
	name := manifests.HAProxyName + "-" + in.Node.Name
	return plan.Condition{
		Name: "pod " + name + " to be Ready", Within: balancerWithin, Warn: true, Hint: "kubectl -n kube-system describe pod " + name,
		Check: func(ctx context.Context, v plan.View) error {
			pod, err := v.Kube().Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Namespace: "kube-system", Name: name})
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			if status, message := Readiness(pod); status != "True" {
				return fmt.Errorf("%w: %s", plan.ErrNotYet, message)
			}
			return nil
		},
	}
}

// Balanced reports that what runs on every node can use the load balancer, if
// there is to be one.
func Balanced(in plan.Input) bool {
	others := slices.DeleteFunc(slices.Clone(in.Endpoint.Unbalanced), func(name string) bool { return name == in.Node.Name })
	return in.Endpoint.After.LoadBalancer == nil || len(others) == 0
}

// settings are the document Endpoint: written before those read it who are to
// get a load balancer, and late where it goes.
func settings(in plan.Input) []plan.Step {
	after := in.Endpoint.After
	if !in.Node.ControlPlane || in.Endpoint.Settings == nil && after.LoadBalancer == nil && after.VirtualIP == nil || balancerGoes(in) {
		return nil
	}
	return settingsSteps(after)
}

func balancerGoes(in plan.Input) bool {
	return in.Cluster.LoadBalancer != nil && in.Endpoint.After.LoadBalancer == nil
}

func settingsSteps(c *cluster.Cluster) []plan.Step {
	document, err := config.MarshalEndpoint(c)
	if err != nil {
		panic("phases: a document did not encode: " + err.Error()) // cannot happen
	}
	steps := objects(manifests.EndpointConfig(document))
	for i := range steps {
		steps[i].NoUndo = moved
	}
	return steps
}

// lateSettings wait for kube-proxy and flannel to have left the load balancers:
// nodes remove theirs when they read them.
func lateSettings(in plan.Input) ([]plan.Step, error) {
	if !in.Node.ControlPlane || !balancerGoes(in) {
		return nil, nil
	}
	steps := settingsSteps(in.Endpoint.After)
	for _, daemon := range []*unstructured.Unstructured{in.Endpoint.ProxyDaemon, in.Endpoint.Flannel} {
		if daemon != nil {
			gone := rolledOut(kube.RefOf(daemon))
			gone.Warn = false
			steps[0].Needs = append(steps[0].Needs, gone)
		}
	}
	return steps, nil
}

// removeEndpoint takes away what clusteradm put on this machine for an endpoint
// that it does not use any more: all of it that is left.
func removeEndpoint(in plan.Input) ([]plan.Step, error) {
	var steps []plan.Step
	host, left := in.Node.Host, func(path string) bool { return in.HostFacts().Exists(path) }
	gone := func(name string, e plan.Effect) {
		steps = append(steps, plan.Step{Name: name, Host: host, Effect: e, NoUndo: moved})
	}
	if in.Endpoint.After.LoadBalancer == nil && slices.ContainsFunc(balancerLeaves(), left) {
		gone("unit", effect.Stopped{Host: host, Name: manifests.FollowUnit})
		gone("unit-file", effect.Absent{Host: host, Path: manifests.FollowUnitFile})
		gone("unit-link", effect.Absent{Host: host, Path: followUnitLink})
		gone("haproxy", effect.Absent{Host: host, Path: podManifest(manifests.HAProxyName)})
		gone("haproxy-dir", effect.Tree{Host: host, Path: manifests.HAProxyDir})
	}
	if in.Endpoint.After.VirtualIP == nil && slices.ContainsFunc(virtualIPLeaves(), left) {
		gone("keepalived", effect.Absent{Host: host, Path: podManifest(manifests.KeepalivedName)})
		gone("keepalived-dir", effect.Tree{Host: host, Path: manifests.KeepalivedDir})
	}
	return steps, nil
}
