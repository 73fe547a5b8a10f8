package phases

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// endpointFiles are what the endpoint's static pods run with, and the pods.
// They are there before the kubelet starts, which runs them before it has a
// certificate: through the load balancer it asks for one.
func endpointFiles(in plan.Input) ([]plan.Step, error) {
	steps, err := BalancerFiles(in)
	if err != nil || !in.Node.ControlPlane {
		return steps, err
	}
	more, err := VirtualIPFiles(in)
	return append(steps, more...), err
}

// BalancerFiles are the node load balancer's configuration and pod.
func BalancerFiles(in plan.Input) ([]plan.Step, error) {
	if in.Cluster.LoadBalancer == nil {
		return nil, nil
	}
	pod, err := manifests.HAProxy(in.Cluster)
	if err != nil {
		return nil, err
	}
	config, err := balancerConfig(in)
	if err != nil {
		return nil, err
	}
	manifest, err := manifest(in, manifests.HAProxyName, pod)
	return []plan.Step{
		dir(in, "haproxy-dir", manifests.HAProxyDir, 0o755),
		// A copy of its own: the directory of the original holds keys.
		file(in, "haproxy-ca.crt", manifests.HAProxyCA, clusterCA(in), 0o644),
		file(in, "haproxy.cfg", cluster.HAProxyConfig, config, 0o644),
		manifest,
	}, err
}

// balancerConfig sends to the API servers that are known: none that the balancer
// has already is taken from it here, or a repeated init would.
func balancerConfig(in plan.Input) ([]byte, error) {
	var backends []netip.AddrPort
	if before, err := manifests.ParseBalancer(in.HostFacts().Balancer); err == nil {
		backends = append(backends, before.Backends...)
	}
	backends = append(backends, in.Join.APIServers...)
	if in.Node.ControlPlane {
		backends = append(backends, netip.AddrPortFrom(in.Node.Address, uint16(in.Node.BindPort)))
	}
	return manifests.BalancerOf(in.Cluster, clusterCA(in), backends).Render()
}

// clusterCA is the certificate authority: a worker has it from the cluster.
func clusterCA(in plan.Input) []byte {
	if len(in.Join.CA) > 0 {
		return in.Join.CA
	}
	return in.PKI.Pairs["ca"].Cert
}

// VirtualIPFiles are those of the virtual IP on a control plane.
func VirtualIPFiles(in plan.Input) ([]plan.Step, error) {
	if in.Cluster.VirtualIP == nil {
		return nil, nil
	}
	config, err := manifests.Keepalived(in.Cluster, in.Node, addressLink(in), manifests.CASum(clusterCA(in)))
	if err != nil {
		return nil, err
	}
	pod, err := manifests.KeepalivedPod(in.Cluster)
	if err != nil {
		return nil, err
	}
	manifest, err := manifest(in, manifests.KeepalivedName, pod)
	return []plan.Step{
		dir(in, "keepalived-dir", manifests.KeepalivedDir, 0o755),
		file(in, "keepalived-ca.crt", manifests.KeepalivedCA, clusterCA(in), 0o644),
		file(in, "keepalived.conf", manifests.KeepalivedConfig, config, 0o644),
		manifest,
	}, err
}

// addressLink is the interface in whose network the node's address is: that of
// the longest route to it.
func addressLink(in plan.Input) string {
	routes := slices.DeleteFunc(slices.Clone(in.HostFacts().AddressRoutes), func(r cluster.Route) bool { return !r.Prefix.Contains(in.Node.Address) })
	if len(routes) == 0 {
		return ""
	}
	return slices.MaxFunc(routes, func(a, b cluster.Route) int { return a.Prefix.Bits() - b.Prefix.Bits() }).Link
}

// balancerWithin is how long haproxy may take to start, or to reload.
const balancerWithin = time.Minute

// endpoint waits for what the kubelet runs of the endpoint, and has the load
// balancer follow the control planes.
func endpoint() plan.Phase {
	return plan.Phase{
		Name:    "endpoint",
		Short:   "Wait for the node's load balancer and the virtual IP",
		Example: "clusteradm init phase endpoint --config cluster.yaml",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			var steps []plan.Step
			if in.Cluster.LoadBalancer != nil {
				config, err := balancerConfig(in)
				if err != nil {
					return nil, err
				}
				steps = append(append(steps, balancerRuns(in, config)), Follower(in)...)
			}
			if v := in.Cluster.VirtualIP; v != nil && in.Node.ControlPlane {
				steps = append(steps, plan.Step{Name: "virtual-ip", Host: in.Node.Host, Effect: effect.Await{What: "virtual IP"},
					Until: []plan.Condition{virtualIPAnswers(in)}})
			}
			return serial(steps...), nil
		},
	}
}

// Follower is the service that keeps the load balancer's backends.
func Follower(in plan.Input) []plan.Step {
	unit := file(in, "unit-file", manifests.FollowUnitFile, manifests.Follower(in.Binary), 0o644)
	unit.NoUndo = running
	return []plan.Step{unit, {Name: "unit", Host: in.Node.Host, NoUndo: running,
		Effect: effect.Unit{Host: in.Node.Host, Name: manifests.FollowUnit, Inputs: []string{manifests.FollowUnitFile, in.Binary}}}}
}

// balancerRuns has haproxy run with a configuration that is on the disk.
func balancerRuns(in plan.Input, config []byte) plan.Step {
	b := manifests.Balancer{}
	if parsed, err := manifests.ParseBalancer(config); err == nil { // it was just made
		b = parsed
	}
	e := effect.Reloaded{Host: in.Node.Host, Name: "haproxy", Alive: b.HealthURL(), Running: b.RunningURL(config), Socket: manifests.HAProxyMaster, Command: "reload"}
	probe := func(name, url string) plan.Condition {
		return plan.Condition{
			Name: name, Within: balancerWithin, Hint: "crictl logs $(crictl ps -a --name " + manifests.HAProxyName + " -q | head -1)",
			Check: func(ctx context.Context, v plan.View) error {
				if err := v.Probe(ctx, in.Node.Host, plan.Probe{URL: url}); err != nil {
					return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
				}
				return nil
			},
		}
	}
	return plan.Step{Name: "haproxy", Host: in.Node.Host, NoUndo: running, Effect: e,
		Needs: []plan.Condition{probe("the load balancer", e.Alive)},
		Until: []plan.Condition{probe("the load balancer to run with its configuration", e.Running)}}
}

func virtualIPAnswers(in plan.Input) plan.Condition {
	probe := plan.Probe{URL: "https://" + netip.AddrPortFrom(in.Cluster.VirtualIP.Address, uint16(in.Node.BindPort)).String() + "/livez", CA: clusterCA(in)}
	return plan.Condition{
		Name: "a control plane to answer at the virtual IP", Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint: "crictl logs $(crictl ps -a --name " + manifests.KeepalivedName + " -q | head -1)",
		Check: func(ctx context.Context, v plan.View) error {
			if err := v.Probe(ctx, in.Node.Host, probe); err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return nil
		},
	}
}
