package phases

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// endpointAnnotation is the server that the pods of a DaemonSet were last
// started for. On a ConfigMap it says that they have to be: the two are
// compared, so that a crash between them loses no restart, and a cluster that
// never changed its endpoint has none of it.
const endpointAnnotation = "clusteradm.io/endpoint"

// The fields that name the endpoint.
const (
	configurationKey = "ClusterConfiguration"
	clusterInfoKey   = "kubeconfig"
	proxyKey         = "kubeconfig.conf"
	flannelContainer = "kube-flannel"
	flannelHost      = "KUBERNETES_SERVICE_HOST"
	flannelPort      = "KUBERNETES_SERVICE_PORT"
)

const rolledOutWithin = 5 * time.Minute

// endpointConfiguration is what joining nodes read.
func endpointConfiguration(in plan.Input) ([]plan.Step, error) {
	var steps []plan.Step
	if cm := in.Endpoint.Configuration; cm != nil {
		document, err := textOf(cm, configurationKey)
		if err != nil {
			return nil, err
		}
		changed, err := config.SetEndpoint([]byte(document), in.Endpoint.Address, namesKept(in)...)
		if err != nil {
			return nil, err
		}
		steps = append(steps, fieldsStep("kubeadm-config", cm, dataOf(configurationKey, string(changed)), "controlPlaneEndpoint "+in.Endpoint.Address))
	}
	if cm := in.Endpoint.ClusterInfo; cm != nil {
		info, err := textOf(cm, clusterInfoKey)
		if err != nil {
			return nil, err
		}
		changed, err := pki.ReplaceServer(secret.NewBytes([]byte(info)), "https://"+in.Endpoint.Address)
		if err != nil {
			return nil, fmt.Errorf("change the server of ConfigMap cluster-info: %w", err)
		}
		steps = append(steps, fieldsStep("cluster-info", cm, dataOf(clusterInfoKey, string(changed.Reveal())), "server https://"+in.Endpoint.Address))
	}
	return append(steps, settings(in)...), nil
}

// namesKept are those that control planes that join from now on have in their
// certificates besides the endpoint's: its former one, for those who have not
// moved, and those of the load balancer and the virtual IP.
func namesKept(in plan.Input) []string {
	names := slices.DeleteFunc(slices.Clone(in.Endpoint.Names), func(name string) bool { return name == endpointHost(in) })
	if u, err := url.Parse("https://" + in.Cluster.ControlPlaneEndpoint); err == nil && u.Hostname() != "" && u.Hostname() != endpointHost(in) {
		names = append(names, u.Hostname())
	}
	return names
}

func textOf(cm *unstructured.Unstructured, key string) (string, error) {
	text, ok, _ := unstructured.NestedString(cm.Object, "data", key)
	if !ok {
		return "", fmt.Errorf("read %s: it has no key %s", kube.RefOf(cm), key)
	}
	return text, nil
}

func dataOf(key, text string) map[string]any {
	return map[string]any{"data": map[string]any{key: text}}
}

// fieldsWithin is how long an object is tried again that others write to, as the
// controller manager does to a DaemonSet's status.
const fieldsWithin = time.Minute

func fieldsStep(name string, seen *unstructured.Unstructured, values map[string]any, says string) plan.Step {
	ref := kube.RefOf(seen)
	return plan.Step{Name: name, Effect: effect.NewFields(seen, values, says), Needs: []plan.Condition{{
		Name: ref.String() + " to be written", Within: fieldsWithin,
		Check: func(ctx context.Context, v plan.View) error {
			_, err := v.Kube().Get(ctx, ref)
			if transient(err) {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return err
		},
	}}}
}

// endpointProxy has kube-proxy use the endpoint. It reads its kubeconfig once,
// so its pods are started again, one node after the other.
func endpointProxy(in plan.Input) ([]plan.Step, error) {
	cm, daemon := in.Endpoint.Proxy, in.Endpoint.ProxyDaemon
	if cm == nil || daemon == nil {
		return nil, nil // the cluster has none, or it is somebody else's
	}
	conf, err := textOf(cm, proxyKey)
	if err != nil {
		return nil, err
	}
	server, err := pki.ServerOf(secret.NewBytes([]byte(conf)))
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap kube-proxy: %w", err)
	}
	want := nodeServer(in)
	if server == want && cm.GetAnnotations()[endpointAnnotation] != server || keepsServer(in, server) {
		return nil, nil // its pods were never started with another one
	}
	changed, err := pki.ReplaceServer(secret.NewBytes([]byte(conf)), want)
	if err != nil {
		return nil, fmt.Errorf("change the server of ConfigMap kube-proxy: %w", err)
	}
	values := dataOf(proxyKey, string(changed.Reveal()))
	annotations := map[string]any{endpointAnnotation: want}
	if hash, ok := cm.GetAnnotations()[manifests.HashAnnotation]; ok && hash == hashOf(cm, "", "") {
		annotations[manifests.HashAnnotation] = hashOf(cm, proxyKey, string(changed.Reveal()))
	}
	values["metadata"] = map[string]any{"annotations": annotations}
	restart := map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{endpointAnnotation: want}}}}}
	return []plan.Step{
		fieldsStep("kubeconfig", cm, values, "server "+want),
		rollout(daemon, restart, "its pods start again"),
	}, nil
}

// nodeServer is what runs on every node is to use.
func nodeServer(in plan.Input) string { return in.Endpoint.After.NodeEndpoint(in.Node) }

// keepsServer reports a server that stays: one that the cluster's owner put on
// each node, or the present one while nodes lack the load balancer.
func keepsServer(in plan.Input, server string) bool {
	owners := cluster.IsLoopback(server) && (in.Cluster.LoadBalancer == nil || server != in.Cluster.NodeEndpoint(in.Node))
	return server != nodeServer(in) && (owners || !Balanced(in))
}

// hashOf is kubeadm's hash of a component configuration: over the values in
// the order of their keys, one of them perhaps another.
func hashOf(cm *unstructured.Unstructured, key, text string) string {
	data, _, _ := unstructured.NestedStringMap(cm.Object, "data")
	if key != "" {
		data[key] = text
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(data)) {
		sum.Write([]byte(data[name]))
	}
	return fmt.Sprintf("sha256:%x", sum.Sum(nil))
}

func rollout(daemon *unstructured.Unstructured, values map[string]any, says string) plan.Step {
	step := fieldsStep("rollout", daemon, values, says)
	step.NoUndo = moved
	step.Until = []plan.Condition{rolledOut(kube.RefOf(daemon))}
	return step
}

// rolledOut holds when the pods of a DaemonSet are of its newest template. It
// only warns: the pod of a node that is down waits until that is back.
func rolledOut(ref kube.Ref) plan.Condition {
	return plan.Condition{
		Name: "the pods of " + ref.String() + " to start again", Within: rolledOutWithin, Warn: true,
		Hint: "kubectl -n " + ref.Namespace + " rollout status daemonset " + ref.Name,
		Check: func(ctx context.Context, v plan.View) error {
			daemon, err := v.Kube().Get(ctx, ref)
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			status := func(name string) int64 {
				n, _, _ := unstructured.NestedInt64(daemon.Object, "status", name)
				return n
			}
			wanted := status("desiredNumberScheduled")
			if status("observedGeneration") < daemon.GetGeneration() || status("updatedNumberScheduled") < wanted || status("numberAvailable") < wanted {
				return fmt.Errorf("%w: %d of %d are new, %d run", plan.ErrNotYet, status("updatedNumberScheduled"), wanted, status("numberAvailable"))
			}
			return nil
		},
	}
}

// FlannelServer is what clusteradm's flannel talks to; upstream's goes through
// the Service and has none of its own.
func FlannelServer(daemon *unstructured.Unstructured) string {
	env := flannelEnv(daemon)
	if env[flannelHost] == "" {
		return ""
	}
	return cluster.URL(env[flannelHost], env[flannelPort])
}

func flannelEnv(daemon *unstructured.Unstructured) map[string]string {
	found := map[string]string{}
	for _, c := range containersOf(daemon) {
		if c["name"] != flannelContainer {
			continue
		}
		list, _ := c["env"].([]any)
		for _, e := range list {
			if entry, ok := e.(map[string]any); ok {
				name, _ := entry["name"].(string)
				found[name], _ = entry["value"].(string)
			}
		}
	}
	return found
}

// containersOf is a copy.
func containersOf(daemon *unstructured.Unstructured) []map[string]any {
	if daemon == nil {
		return nil
	}
	list, _, _ := unstructured.NestedSlice(daemon.Object, "spec", "template", "spec", "containers")
	var containers []map[string]any
	for _, c := range list {
		if container, ok := c.(map[string]any); ok {
			containers = append(containers, container)
		}
	}
	return containers
}

// endpointFlannel changes its environment, which starts its pods again.
func endpointFlannel(in plan.Input) ([]plan.Step, error) {
	daemon := in.Endpoint.Flannel
	server := FlannelServer(daemon)
	if server == "" || server == nodeServer(in) || keepsServer(in, server) {
		return nil, nil
	}
	to, err := url.Parse(nodeServer(in))
	if err != nil {
		return nil, fmt.Errorf("change flannel's server: %w", err)
	}
	containers := []any{}
	for _, c := range containersOf(daemon) {
		if list, _ := c["env"].([]any); c["name"] == flannelContainer {
			for _, e := range list {
				entry, _ := e.(map[string]any)
				switch entry["name"] {
				case flannelHost:
					entry["value"] = to.Hostname()
				case flannelPort:
					entry["value"] = to.Port()
				}
			}
		}
		containers = append(containers, c)
	}
	values := map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}}
	return []plan.Step{rollout(daemon, values, "server "+nodeServer(in))}, nil
}
