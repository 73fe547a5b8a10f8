package phases

import (
	"context"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// moved is why what has started with another endpoint is not taken back.
const moved = "it has started with the new endpoint; go back with: clusteradm endpoint set OLD"

const endpointExample = "clusteradm endpoint set k8s.example.com"

// Endpoint is one machine's part in a change of the cluster's endpoint, and the
// cluster's when it is due. The API servers come first: the old endpoint and
// the new one then both lead to a certificate that has their name. Only when
// all of them have it does anything that asks move to the new one.
func Endpoint() []plan.Phase {
	return []plan.Phase{{
		Name: "certificate", Short: "Have the API server's certificate name the new endpoint", Example: endpointExample,
		Plan: endpointCertificate,
	}, {
		Name: "virtual-ip", Short: "Bring the virtual IP up", Example: endpointExample,
		Plan: bringVirtualIP,
	}, {
		Name: "ready", Short: "Wait until the new endpoint can be used", Example: endpointExample,
		Plan: func(in plan.Input) ([]plan.Group, error) {
			if !EndpointReady(in) {
				return nil, nil
			}
			return serial(plan.Step{Name: "endpoint", Host: in.Node.Host, Effect: effect.Await{What: "endpoint"},
				Until: []plan.Condition{covered(in), endpointAnswers(in)}}), nil
		},
	}, {
		Name: "load-balancer", Short: "Bring this machine's load balancer up", Example: endpointExample,
		Plan: whenReady(bringBalancer),
	}, {
		Name: "kubeconfig", Short: "Have this machine's kubeconfigs name it", Example: endpointExample,
		Plan: whenReady(endpointKubeconfigs),
	}, {
		Name: "kubelet", Short: "Have the kubelet use it", Example: endpointExample,
		Plan: whenReady(endpointKubelet),
	}, {
		Name: "cluster", Short: "Write it down for those who join", Example: endpointExample,
		Plan: whenReady(endpointConfiguration),
	}, {
		Name: "kube-proxy", Short: "Have kube-proxy use it, node by node", Example: endpointExample,
		Plan: whenReady(endpointProxy),
	}, {
		Name: "pod-network", Short: "Have flannel use it, node by node", Example: endpointExample,
		Plan: whenReady(endpointFlannel),
	}, {
		Name: "settings", Short: "Write down that there is no load balancer any more", Example: endpointExample,
		Plan: whenReady(lateSettings),
	}, {
		Name: "remove", Short: "Remove what this machine has of the endpoint and does not need", Example: endpointExample,
		Plan: whenReady(removeEndpoint),
	}}
}

func whenReady(steps func(plan.Input) ([]plan.Step, error)) func(plan.Input) ([]plan.Group, error) {
	return func(in plan.Input) ([]plan.Group, error) {
		if !EndpointReady(in) {
			return nil, nil
		}
		planned, err := steps(in)
		if err != nil || len(planned) == 0 {
			return nil, err
		}
		return serial(planned...), nil
	}
}

// EndpointWaits are the other API servers that cannot be reached by the new
// endpoint's name yet: this machine's own can, once its part is done.
func EndpointWaits(in plan.Input) []plan.APIServer {
	var waits []plan.APIServer
	for _, s := range in.Endpoint.APIServers {
		if s.Problem != "" && !ownServer(in, s) {
			waits = append(waits, s)
		}
	}
	return waits
}

func ownServer(in plan.Input, s plan.APIServer) bool {
	return in.Node.ControlPlane && "https://"+s.Address == in.Node.LocalEndpoint()
}

// EndpointReady reports that the cluster can move. A virtual IP that this very
// plan brings up need not answer before.
func EndpointReady(in plan.Input) bool {
	return (in.Endpoint.Silent == "" || bringsEndpoint(in)) && len(EndpointWaits(in)) == 0
}

func bringsEndpoint(in plan.Input) bool {
	v := in.Endpoint.After.VirtualIP
	return v != nil && in.Node.ControlPlane && v.Address.String() == endpointHost(in)
}

// endpointCertificate is the API server's new certificate, with the names that
// it had besides, so that the old endpoint works until all have moved.
func endpointCertificate(in plan.Input) ([]plan.Group, error) {
	if !in.Node.ControlPlane {
		return nil, nil
	}
	groups, err := restarted(in, manifests.KubeAPIServer, moved)
	if files := renewedFiles(in); len(files) > 0 {
		groups = append(serial(files...), groups...)
	}
	return groups, err
}

// coveredWithin is for an API server that was seen to be ready a moment ago.
const coveredWithin = 2 * time.Minute

// covered holds when each API server serves a certificate that is good for the
// endpoint: behind it any of them may answer.
func covered(in plan.Input) plan.Condition {
	return plan.Condition{
		Name: "every API server's certificate to name " + endpointHost(in), Within: coveredWithin, Hint: "clusteradm endpoint show",
		Check: func(ctx context.Context, v plan.View) error {
			for _, s := range in.Endpoint.APIServers {
				if err := goodFor(ctx, v, in, s.Address, in.Endpoint.Names); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// endpointAnswers holds when one of the cluster's API servers answers at the endpoint.
func endpointAnswers(in plan.Input) plan.Condition {
	return plan.Condition{
		Name: "an API server to answer at " + in.Endpoint.Address, Within: coveredWithin, Hint: "clusteradm endpoint show",
		Check: func(ctx context.Context, v plan.View) error {
			return goodFor(ctx, v, in, in.Endpoint.Address, []string{endpointHost(in)})
		},
	}
}

func goodFor(ctx context.Context, v plan.View, in plan.Input, addr string, names []string) error {
	der, err := v.Served(ctx, in.Node.Host, addr)
	for _, name := range names {
		if err == nil {
			err = pki.CheckServer(addr, der, in.Endpoint.CA, name, in.Facts.Now)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
	}
	return nil
}

func endpointHost(in plan.Input) string {
	name, _, err := net.SplitHostPort(in.Endpoint.Address)
	if err != nil {
		return in.Endpoint.Address
	}
	return name
}

// endpointKubeconfigs are the administrator's. The controller manager and the
// scheduler talk to this machine's own API server, and stay with it.
func endpointKubeconfigs(in plan.Input) ([]plan.Step, error) {
	var steps []plan.Step
	for _, path := range []string{cluster.AdminConf, cluster.SuperAdminConf} {
		data, ok := in.HostFacts().PKI[path]
		if !ok || !in.Node.ControlPlane {
			continue
		}
		step, err := serverStep(in, path, data, "https://"+in.Endpoint.Address)
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// serverStep keeps mode and owner, as renewedFiles does.
func serverStep(in plan.Input, path string, data secret.Bytes, server string) (plan.Step, error) {
	content, err := pki.ReplaceServer(data, server)
	if err != nil {
		return plan.Step{}, fmt.Errorf("change the server of %s: %w", path, err)
	}
	step := secretFile(in, stepName(in, path), path, content, 0o600)
	if was, ok := in.HostFacts().Files[path]; ok && was.Target == "" {
		f := step.Effect.(effect.File)
		f.Attr = attrOf(was)
		step.Effect = f
	}
	return step, nil
}

// endpointKubelet restarts a kubelet whose kubelet.conf changed after its
// start: it reads it once. One that has a way of its own to an API server, that
// of its own machine or what its owner put on a loopback address, keeps it.
func endpointKubelet(in plan.Input) ([]plan.Step, error) {
	data, ok := in.HostFacts().PKI[cluster.KubeletConf]
	if !ok {
		return nil, nil
	}
	server, err := pki.ServerOf(data)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", cluster.KubeletConf, err)
	}
	want := KubeletServer(in, server)
	if server == want && (in.Node.ControlPlane && server == in.Node.LocalEndpoint() || cluster.IsLoopback(server) && !balancerHere(in, server)) {
		return nil, nil // it never was with anything else
	}
	step, err := serverStep(in, cluster.KubeletConf, data, want)
	if err != nil {
		return nil, err
	}
	return []plan.Step{step, {Name: "unit", Host: in.Node.Host, NoUndo: moved,
		Effect: effect.Unit{Host: in.Node.Host, Name: kubeletUnit, Inputs: []string{cluster.KubeletConf}},
		Until:  []plan.Condition{kubeletReports(in)}}}, nil
}

// KubeletServer is which server a kubelet that has one is to have.
func KubeletServer(in plan.Input, server string) string {
	after, local := in.Endpoint.After, in.Node.ControlPlane && server == in.Node.LocalEndpoint()
	switch {
	case after.LoadBalancer != nil && (local || !cluster.IsLoopback(server)), balancerHere(in, server):
		if in.Node.ControlPlane {
			return after.KubeletEndpoint(in.Node)
		}
		return after.NodeEndpoint(in.Node)
	case local, cluster.IsLoopback(server):
		return server
	}
	return after.NodeEndpoint(in.Node)
}

// balancerHere reports that a server is the load balancer that clusteradm put
// on this machine.
func balancerHere(in plan.Input, server string) bool {
	b, err := manifests.ParseBalancer(in.HostFacts().Balancer)
	return err == nil && server == "https://"+b.Listen.String()
}

// kubeletReports holds when the kubelet has renewed its lease since its start,
// which it does by the server that it was started with.
func kubeletReports(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name: "the kubelet to report by its new server", Within: in.Cluster.Timeouts.KubeletHealth, Hint: "journalctl -u kubelet.service -n 50",
		Check: func(ctx context.Context, v plan.View) error {
			started, err := effect.UnitStarted(ctx, v.Host(in.Node.Host), kubeletUnit)
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			lease, err := v.Kube().Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
				Namespace: "kube-node-lease", Name: in.Node.Name})
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			text, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
			if at, err := time.Parse(time.RFC3339Nano, text); err != nil || at.Before(started) {
				return fmt.Errorf("%w: it renewed its lease at %s", plan.ErrNotYet, text)
			}
			return nil
		},
	})
}
