package cluster

// Paths of kubeadm's contract on a node.
const (
	KubernetesDir        = "/etc/kubernetes"
	ManifestsDir         = "/etc/kubernetes/manifests"
	AdminConf            = "/etc/kubernetes/admin.conf"
	SuperAdminConf       = "/etc/kubernetes/super-admin.conf"
	KubeletConf          = "/etc/kubernetes/kubelet.conf"
	BootstrapKubeletConf = "/etc/kubernetes/bootstrap-kubelet.conf"
	ControllerConf       = "/etc/kubernetes/controller-manager.conf"
	SchedulerConf        = "/etc/kubernetes/scheduler.conf"
	KubeletDir           = "/var/lib/kubelet"
	KubeletConfig        = "/var/lib/kubelet/config.yaml"
	KubeletInstance      = "/var/lib/kubelet/instance-config.yaml"
	KubeletFlagsEnv      = "/var/lib/kubelet/kubeadm-flags.env"
	KubeletClientPEM     = "/var/lib/kubelet/pki/kubelet-client-current.pem"
)

// On a machine that runs etcd for others the kubelet belongs to no cluster; this
// drop-in of its unit makes it so. The name is that of kubeadm's documentation.
const (
	KubeletDropInDir  = "/etc/systemd/system/kubelet.service.d"
	EtcdKubeletDropIn = KubeletDropInDir + "/20-etcd-service-manager.conf"
)

// HAProxyConfig is the configuration of the node load balancer.
const HAProxyConfig = "/etc/clusteradm/haproxy/haproxy.cfg"

// Where flannel's CNI configuration and plugin are put by its own pods.
const (
	FlannelConf   = "/etc/cni/net.d/10-flannel.conflist"
	FlannelPlugin = "/opt/cni/bin/flannel"
)
