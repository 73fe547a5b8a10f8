package phases

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/kube"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// waitControlPlane waits for the API server itself, asked directly, and for the
// namespaces that it makes after its start.
func waitControlPlane() plan.Phase {
	return plan.Phase{
		Name:    "wait-control-plane",
		Short:   "Wait until the API server is healthy",
		Example: "clusteradm init phase wait-control-plane",
		Plan: func(in plan.Input) ([]plan.Group, error) {
			ca := in.PKI.Pairs["ca"].Cert
			return serial(plan.Step{Name: "apiserver", Host: in.Node.Host, Effect: effect.Await{What: "apiserver"}, Until: []plan.Condition{
				healthy(in, "the API server", plan.Probe{URL: in.Node.LocalEndpoint() + "/livez", CA: ca}),
				namespaces(in, "kube-system", "kube-public"),
			}}), nil
		},
	}
}

// controlPlaneReady comes last, so that the controller manager and the
// scheduler start while objects are applied.
func controlPlaneReady() plan.Phase {
	return plan.Phase{
		Name:   "wait-components",
		Short:  "Wait until the controller manager and the scheduler are healthy",
		Hidden: true,
		Plan: func(in plan.Input) ([]plan.Group, error) {
			return serial(plan.Step{Name: "components", Host: in.Node.Host, Effect: effect.Await{What: "components"}, Until: componentsHealthy(in)}), nil
		},
	}
}

func componentsHealthy(in plan.Input) []plan.Condition {
	return []plan.Condition{
		healthy(in, "the controller manager", plan.Probe{URL: "https://" + listens(in.Cluster.Controller, "10257") + "/healthz"}),
		healthy(in, "the scheduler", plan.Probe{URL: "https://" + listens(in.Cluster.Scheduler, "10259") + "/livez"}),
	}
}

// listens is where a component can be asked, which its arguments may move.
func listens(c cluster.Component, port string) string {
	host := "127.0.0.1"
	for _, a := range c.ExtraArgs {
		switch {
		case a.Name == "secure-port":
			port = a.Value
		case a.Name == "bind-address" && a.Value != "0.0.0.0" && a.Value != "::" && a.Value != "":
			host = a.Value
		}
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + port
}

// lookEvery is how many looks at a condition go by between two at the kubelet,
// which cost a process each: about a second.
const lookEvery = 10

// needsKubelet is a condition that only the kubelet can make true. It need not
// be waited for to the end when the kubelet itself does not stay up.
func needsKubelet(in plan.Input, c plan.Condition) plan.Condition {
	check, looks := c.Check, 0
	c.Check = func(ctx context.Context, v plan.View) error {
		err := check(ctx, v)
		if !errors.Is(err, plan.ErrNotYet) {
			return err
		}
		if looks++; looks%lookEvery != 0 {
			return err
		}
		var failing *effect.UnitFailingError
		if errors.As(effect.UnitFailing(ctx, v.Host(in.Node.Host), kubeletUnit), &failing) {
			return failing
		}
		return err
	}
	return c
}

func healthy(in plan.Input, what string, probe plan.Probe) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name:   what + " to be healthy (" + probe.URL + ")",
		Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint:   "journalctl -u kubelet.service -n 50; crictl ps -a",
		Check: func(ctx context.Context, v plan.View) error {
			if err := v.Probe(ctx, in.Node.Host, probe); err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return nil
		},
	})
}

func namespaces(in plan.Input, names ...string) plan.Condition {
	return plan.Condition{
		Name:   "the system namespaces",
		Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Check: func(ctx context.Context, v plan.View) error {
			for _, name := range names {
				_, err := v.Kube().Get(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, Name: name})
				if apierrors.IsNotFound(err) || transient(err) {
					return fmt.Errorf("%w: namespace %s: %w", plan.ErrNotYet, name, err)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// transient reports an API server that is starting, or restarting.
func transient(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsForbidden(err) || apierrors.IsTooManyRequests(err)
}

// nodeReady does not decide over a join: a cluster without a pod network has
// only nodes that are not Ready.
func nodeReady(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name:   "node " + in.Node.Name + " to be Ready",
		Within: readyWithin,
		Warn:   true,
		Hint:   "clusteradm doctor join; kubectl describe node " + in.Node.Name,
		Check: func(ctx context.Context, v plan.View) error {
			node, err := v.Kube().Get(ctx, NodeRef(in.Node.Name))
			if err != nil {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			if status, message := Readiness(node); status != "True" {
				return fmt.Errorf("%w: %s", plan.ErrNotYet, message)
			}
			return nil
		},
	})
}

// nodeRegistered waits for the kubelet's own registration.
func nodeRegistered(in plan.Input) plan.Condition {
	return needsKubelet(in, plan.Condition{
		Name:   "the kubelet to register node " + in.Node.Name,
		Within: in.Cluster.Timeouts.KubeletHealth,
		Hint:   "journalctl -u kubelet.service -n 50",
		Check: func(ctx context.Context, v plan.View) error {
			_, err := v.Kube().Get(ctx, NodeRef(in.Node.Name))
			if apierrors.IsNotFound(err) || transient(err) {
				return fmt.Errorf("%w: %w", plan.ErrNotYet, err)
			}
			return err
		},
	})
}

// NodeRef names a Node.
func NodeRef(name string) kube.Ref {
	return kube.Ref{GroupVersionKind: schema.GroupVersionKind{Version: "v1", Kind: "Node"}, Name: name}
}

// Readiness is the status and message of a Node's condition Ready.
func Readiness(node *unstructured.Unstructured) (status, message string) {
	conditions, _, _ := unstructured.NestedSlice(node.Object, "status", "conditions")
	for _, c := range conditions {
		if condition, ok := c.(map[string]any); ok && condition["type"] == "Ready" {
			status, _ = condition["status"].(string)
			message, _ = condition["message"].(string)
			return status, message
		}
	}
	return "", "the kubelet has not reported yet"
}
