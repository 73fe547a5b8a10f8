package manifests

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Names of the endpoint's static pods. Users may have a haproxy.yaml and a
// keepalived.yaml of their own: Kubernetes' guide calls them so.
const (
	HAProxyName    = "clusteradm-haproxy"
	KeepalivedName = "clusteradm-keepalived"
)

// HAProxy renders the static pod of the node load balancer. It is root only to
// own its sockets and has none of root's powers.
func HAProxy(c *cluster.Cluster) ([]byte, error) {
	return endpointPod(HAProxyName, c.LoadBalancer.Image,
		[]string{"haproxy", "-W", "-S", HAProxyMaster + ",mode,600", "-f", cluster.HAProxyConfig},
		nil, []mount{{"config", HAProxyDir, true}, {"run", HAProxyRunDir, false}},
		&corev1.Probe{
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
				Host: c.Loopback().String(), Path: healthPath, Port: intstr.FromInt32(int32(c.LoadBalancer.Port)), Scheme: corev1.URISchemeHTTP,
			}},
			InitialDelaySeconds: 5, TimeoutSeconds: 5, PeriodSeconds: 10, FailureThreshold: 3,
		})
}

// KeepalivedPod renders the static pod of the virtual IP. It sets an address,
// sends packets of its own and drops the groups of its check; that it dies is
// seen by its end.
func KeepalivedPod(c *cluster.Cluster) ([]byte, error) {
	return endpointPod(KeepalivedName, c.VirtualIP.Image,
		[]string{"keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file=" + KeepalivedConfig,
			"--pid=/tmp/keepalived.pid", "--vrrp_pid=/tmp/vrrp.pid"},
		[]corev1.Capability{"NET_ADMIN", "NET_BROADCAST", "NET_RAW", "SETGID"}, []mount{{"config", KeepalivedDir, true}, {"tmp", "", false}}, nil)
}

// mount is a directory at the same place inside and outside, or one of the
// pod's own below the root.
type mount struct {
	name, path string
	readOnly   bool
}

func endpointPod(name, image string, command []string, powers []corev1.Capability, mounts []mount, liveness *corev1.Probe) ([]byte, error) {
	priority, root, no, yes := systemNodeCritical, int64(0), false, true
	container := corev1.Container{
		Name: name, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: command, LivenessProbe: liveness,
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
		}},
		SecurityContext: &corev1.SecurityContext{
			RunAsUser: &root, RunAsGroup: &root, AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: powers},
		},
	}
	spec := corev1.PodSpec{
		HostNetwork: true, DNSPolicy: corev1.DNSDefault, Priority: &priority, PriorityClassName: "system-node-critical",
		SecurityContext: &corev1.PodSecurityContext{SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
	}
	for _, m := range mounts {
		kind := corev1.HostPathDirectoryOrCreate
		if m.readOnly { // what is written before the pod; the kubelet must not make it again once it is removed
			kind = corev1.HostPathDirectory
		}
		source := corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: m.path, Type: &kind}}
		path := m.path
		if path == "" {
			path, source = "/"+m.name, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}
		}
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{Name: m.name, MountPath: path, ReadOnly: m.readOnly})
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: m.name, VolumeSource: source})
	}
	spec.Containers = []corev1.Container{container}
	data, err := yaml.Marshal(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceSystem, Labels: map[string]string{"component": name, "tier": "endpoint"}},
		Spec:       spec,
	})
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", name, err)
	}
	return data, nil
}
