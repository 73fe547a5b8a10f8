package manifests

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	rbacGroup  = "rbac.authorization.k8s.io"
	system     = "kube-system"
	public     = "kube-public"
	nodesGroup = "system:nodes"
	// JoinersGroup is the group of the bootstrap tokens that nodes join with.
	JoinersGroup = "system:bootstrappers:kubeadm:default-node-token"
	// AdminsGroup is the group of admin.conf.
	AdminsGroup = "kubeadm:cluster-admins"
	// kubeletClient is the common name of apiserver-kubelet-client.crt.
	kubeletClient = "kube-apiserver-kubelet-client"
)

// ClusterAdmins makes admin.conf an administrator's. It takes super-admin.conf
// to create it.
func ClusterAdmins() []*unstructured.Unstructured {
	return objects(clusterBinding(AdminsGroup, "cluster-admin", group(AdminsGroup)))
}

// BootstrapRBAC lets holders of bootstrap tokens join: see nodes, post
// certificate requests and have them approved. It also lets nodes renew their
// certificates and the API server reach the kubelets.
func BootstrapRBAC() []*unstructured.Unstructured {
	const approve = "system:certificates.k8s.io:certificatesigningrequests:"
	getNodes := object(rbacGroup+"/v1", "ClusterRole", "", "kubeadm:get-nodes")
	getNodes["rules"] = []any{map[string]any{
		"apiGroups": []any{""}, "resources": []any{"nodes"}, "verbs": []any{"get"},
	}}
	return objects(
		getNodes,
		clusterBinding("kubeadm:get-nodes", "kubeadm:get-nodes", group(JoinersGroup)),
		clusterBinding("kubeadm:kubelet-bootstrap", "system:node-bootstrapper", group(JoinersGroup)),
		clusterBinding("kubeadm:node-autoapprove-bootstrap", approve+"nodeclient", group(JoinersGroup)),
		clusterBinding("kubeadm:node-autoapprove-certificate-rotation", approve+"selfnodeclient", group(nodesGroup)),
		clusterBinding("kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", user(kubeletClient)),
	)
}

// UploadCertsRBAC lets joining control planes read the Secret kubeadm-certs.
func UploadCertsRBAC() []*unstructured.Unstructured {
	return objects(reading(system, "kubeadm:kubeadm-certs", "secrets", "kubeadm-certs", group(JoinersGroup))...)
}

// reading is a Role and its RoleBinding, both called role, that let subjects
// get one object by name.
func reading(namespace, role, resource, name string, subjects ...any) []map[string]any {
	r := object(rbacGroup+"/v1", "Role", namespace, role)
	r["rules"] = []any{map[string]any{
		"apiGroups":     []any{""},
		"resources":     []any{resource},
		"resourceNames": []any{name},
		"verbs":         []any{"get"},
	}}
	b := object(rbacGroup+"/v1", "RoleBinding", namespace, role)
	b["roleRef"] = roleRef("Role", role)
	b["subjects"] = subjects
	return []map[string]any{r, b}
}

func clusterBinding(name, role string, subjects ...any) map[string]any {
	b := object(rbacGroup+"/v1", "ClusterRoleBinding", "", name)
	b["roleRef"] = roleRef("ClusterRole", role)
	b["subjects"] = subjects
	return b
}

func roleRef(kind, name string) map[string]any {
	return map[string]any{"apiGroup": rbacGroup, "kind": kind, "name": name}
}

// The API group of subjects is the server's default, as kubeadm leaves it.
func group(name string) map[string]any { return map[string]any{"kind": "Group", "name": name} }
func user(name string) map[string]any  { return map[string]any{"kind": "User", "name": name} }

func object(apiVersion, kind, namespace, name string) map[string]any {
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": metadata}
}

func objects(list ...map[string]any) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, o := range list {
		out = append(out, &unstructured.Unstructured{Object: o})
	}
	return out
}
