package kubetest

import (
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// kind is what the store knows about a kind of object.
type kind struct {
	schema.GroupKind
	resource   string
	namespaced bool
}

func (k kind) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: k.Group, Resource: k.resource}
}

// builtIns lists Kubernetes' own kinds: namespaced ones, then the others.
func builtIns() []kind {
	var all []kind
	add := func(namespaced bool, group, names string) {
		for _, name := range strings.Fields(names) {
			plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Group: group, Version: "v1", Kind: name})
			all = append(all, kind{schema.GroupKind{Group: group, Kind: name}, plural.Resource, namespaced})
		}
	}
	add(true, "", "ConfigMap Secret ServiceAccount Service Endpoints Pod PodTemplate ReplicationController PersistentVolumeClaim LimitRange ResourceQuota Event")
	add(true, "apps", "Deployment DaemonSet StatefulSet ReplicaSet ControllerRevision")
	add(true, "batch", "Job CronJob")
	add(true, "autoscaling", "HorizontalPodAutoscaler")
	add(true, "policy", "PodDisruptionBudget")
	add(true, "rbac.authorization.k8s.io", "Role RoleBinding")
	add(true, "coordination.k8s.io", "Lease")
	add(true, "networking.k8s.io", "NetworkPolicy Ingress")
	add(true, "discovery.k8s.io", "EndpointSlice")
	add(true, "events.k8s.io", "Event")
	add(true, "storage.k8s.io", "CSIStorageCapacity")
	add(false, "", "Node Namespace PersistentVolume")
	add(false, "rbac.authorization.k8s.io", "ClusterRole ClusterRoleBinding")
	add(false, "certificates.k8s.io", "CertificateSigningRequest ClusterTrustBundle")
	add(false, "authorization.k8s.io", "SelfSubjectAccessReview")
	add(false, "apiextensions.k8s.io", "CustomResourceDefinition")
	add(false, "apiregistration.k8s.io", "APIService")
	add(false, "admissionregistration.k8s.io", "ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding")
	add(false, "flowcontrol.apiserver.k8s.io", "FlowSchema PriorityLevelConfiguration")
	add(false, "networking.k8s.io", "IngressClass")
	add(false, "node.k8s.io", "RuntimeClass")
	add(false, "scheduling.k8s.io", "PriorityClass")
	add(false, "storage.k8s.io", "StorageClass CSIDriver CSINode VolumeAttachment")
	return all
}

// kinds are the built-in ones and those of the stored definitions.
func (s *Store) kinds() []kind {
	all := slices.Clone(s.known)
	for k, e := range s.objects {
		if k.kind != "CustomResourceDefinition" {
			continue
		}
		text := func(path ...string) string {
			value, _, _ := unstructured.NestedString(e.object, append([]string{"spec"}, path...)...)
			return value
		}
		all = append(all, kind{
			schema.GroupKind{Group: text("group"), Kind: text("names", "kind")},
			text("names", "plural"), text("scope") == "Namespaced",
		})
	}
	return all
}

// find looks a kind up; one that nobody defined is NotFound, as on a server.
func (s *Store) find(match func(kind) bool) (kind, error) {
	all := s.kinds()
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i], nil
	}
	return kind{}, apierrors.NewGenericServerResponse(404, "", schema.GroupResource{}, "", "the server could not find the requested resource", 0, true)
}
