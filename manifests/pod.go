package manifests

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

const (
	probePort = "probe-port"
	// systemNodeCritical is the value of the priority class of that name. A
	// static pod must carry both: no admission plugin sees it before it runs.
	systemNodeCritical int32 = 2000001000
	defaultHealth            = 4 * time.Minute
)

// pod is one static pod: what differs between the four.
type pod struct {
	name, image string
	command     []string
	env         []corev1.EnvVar
	requests    corev1.ResourceList
	annotations map[string]string
	volumes     []volume
	probes      probes
}

// volume is a host path and where it is mounted. Mounts are rendered in the
// order of their list, volumes sorted by name.
type volume struct {
	name, hostPath, mountPath string
	readOnly                  bool
	pathType                  corev1.HostPathType
}

// probes says how a component is asked for its health. An empty readiness
// path means no readiness probe.
type probes struct {
	host                         string
	port                         int
	scheme                       corev1.URIScheme
	liveness, readiness, startup string
	within                       time.Duration // of the start
}

func (p pod) render() ([]byte, error) {
	priority := systemNodeCritical
	container := corev1.Container{
		Name:            p.name,
		Image:           p.image,
		ImagePullPolicy: corev1.PullIfNotPresent,
		Command:         p.command,
		Env:             p.env,
		Resources:       corev1.ResourceRequirements{Requests: p.requests},
		Ports: []corev1.ContainerPort{{
			Name:          probePort,
			ContainerPort: int32(p.probes.port),
			Protocol:      corev1.ProtocolTCP,
		}},
		LivenessProbe: p.probes.get(p.probes.liveness, 10, 10, 8),
		StartupProbe:  p.probes.get(p.probes.startup, 10, 10, p.probes.startFailures(10)),
	}
	if p.probes.readiness != "" {
		container.ReadinessProbe = p.probes.get(p.probes.readiness, 0, 1, 3)
	}
	spec := corev1.PodSpec{
		HostNetwork:       true,
		Priority:          &priority,
		PriorityClassName: "system-node-critical",
		SecurityContext: &corev1.PodSecurityContext{
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	for _, v := range p.volumes {
		container.VolumeMounts = append(container.VolumeMounts, corev1.VolumeMount{
			Name: v.name, MountPath: v.mountPath, ReadOnly: v.readOnly,
		})
		spec.Volumes = append(spec.Volumes, corev1.Volume{
			Name:         v.name,
			VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: v.hostPath, Type: &v.pathType}},
		})
	}
	slices.SortFunc(spec.Volumes, func(a, b corev1.Volume) int { return cmp.Compare(a.Name, b.Name) })
	spec.Containers = []corev1.Container{container}

	data, err := yaml.Marshal(corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        p.name,
			Namespace:   metav1.NamespaceSystem,
			Labels:      map[string]string{"component": p.name, "tier": "control-plane"},
			Annotations: p.annotations,
		},
		Spec: spec,
	})
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", p.name, err)
	}
	return data, nil
}

func (p probes) get(path string, delay, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Host: p.host, Path: path, Port: intstr.FromString(probePort), Scheme: p.scheme,
		}},
		InitialDelaySeconds: delay,
		TimeoutSeconds:      15,
		PeriodSeconds:       period,
		FailureThreshold:    failures,
	}
}

func (p probes) startFailures(period float64) int32 {
	within := p.within
	if within == 0 {
		within = defaultHealth
	}
	return int32(math.Ceil(within.Seconds() / period))
}

// probeHost is the address to probe for a component bound to addr. A probe
// cannot go to the unspecified address; empty means the pod's own.
func probeHost(addr string) string {
	if ip, err := netip.ParseAddr(addr); err == nil && ip.IsUnspecified() {
		return ""
	}
	return addr
}

// withExtra adds the user's volumes, which replace defaults of the same name,
// and sorts by name.
func withExtra(defaults []volume, extra []cluster.Volume) []volume {
	all := slices.Clone(defaults)
	for _, v := range extra {
		all = slices.DeleteFunc(all, func(d volume) bool { return d.name == v.Name })
		all = append(all, volume{v.Name, v.HostPath, v.MountPath, v.ReadOnly, corev1.HostPathType(v.PathType)})
	}
	slices.SortFunc(all, func(a, b volume) int { return cmp.Compare(a.name, b.name) })
	return all
}

// directory is a read-only directory at the same path inside and outside.
func directory(name, path string) volume {
	return volume{name, path, path, true, corev1.HostPathDirectoryOrCreate}
}

func kubeconfigFile(path string) volume {
	return volume{"kubeconfig", path, path, true, corev1.HostPathFileOrCreate}
}

func cpu(amount string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount)}
}
