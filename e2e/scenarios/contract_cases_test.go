//go:build e2e

package scenarios

// contractCase is one kubeadm configuration under which both programs make a
// cluster.
type contractCase struct {
	name string
	// documents are laid over contractBase; __ADDRESS__ is the node's own.
	documents string
	// kubeadmOnly are laid over these for kubeadm alone.
	kubeadmOnly string
	// prepare is run on both nodes before, in a shell, with CONFIG as kubeadm's
	// configuration: files that users bring, images under other names.
	prepare string
	// generated leaves the components' documents to the programs. What the lab
	// needs of the kubelet comes from /etc/default/kubelet then.
	generated bool
	// ownToken leaves the bootstrap token to the programs.
	ownToken bool
	// worker also joins a worker on both sides.
	worker bool
	// planted also plants differences and looks whether they are found.
	planted bool
	// ci runs the case in `make test`, and not in soak alone.
	ci bool
}

const contractBase = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens:
- token: abcdef.0123456789abcdef
localAPIEndpoint:
  advertiseAddress: __ADDRESS__
nodeRegistration:
  ignorePreflightErrors: [SystemVerification]
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: __KUBERNETES__
encryptionAlgorithm: ECDSA-P256
dns:
  imageTag: __COREDNS__
etcd:
  local:
    imageTag: __ETCD__
`

const contractComponents = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
conntrack:
  maxPerCore: 0
  min: 0
`

const contractJoin = `apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  bootstrapToken:
    token: abcdef.0123456789abcdef
    apiServerEndpoint: __ADDRESS__:6443
    unsafeSkipCAVerification: true
nodeRegistration:
  ignorePreflightErrors: [SystemVerification]
  taints:
  - {key: dedicated, value: gpu, effect: NoExecute}
  kubeletExtraArgs:
  - {name: node-labels, value: "disk=ssd"}
`

var contractCases = []contractCase{{
	// All that the programs choose by themselves. They choose other keys on
	// purpose; kubeadm is told to make clusteradm's, so that this one setting
	// is the difference and not its many consequences.
	name:        "defaults",
	documents:   "kind: ClusterConfiguration\nencryptionAlgorithm: null\n",
	kubeadmOnly: "kind: ClusterConfiguration\nencryptionAlgorithm: ECDSA-P256\n",
	generated:   true, ownToken: true, planted: true, ci: true,
}, {
	name:   "worker",
	worker: true, ci: true,
	documents: `kind: ClusterConfiguration
networking:
  podSubnet: 10.244.0.0/16
`,
}, {
	name: "extra-args",
	documents: `kind: ClusterConfiguration
apiServer:
  extraArgs:
  - {name: audit-log-path, value: "-"}
  - {name: service-account-issuer, value: "https://one.example.com"}
  - {name: service-account-issuer, value: "https://kubernetes.default.svc.cluster.local"}
  - {name: v, value: "2"}
  - {name: enable-admission-plugins, value: "NodeRestriction,AlwaysPullImages"}
controllerManager:
  extraArgs:
  - {name: node-monitor-grace-period, value: 50s}
  - {name: bind-address, value: "0.0.0.0"}
scheduler:
  extraArgs:
  - {name: kube-api-qps, value: "60"}
  - {name: bind-address, value: "0.0.0.0"}
etcd:
  local:
    extraArgs:
    - {name: heartbeat-interval, value: "500"}
    - {name: election-timeout, value: "5000"}
    - {name: listen-metrics-urls, value: "http://0.0.0.0:2381"}
---
kind: InitConfiguration
nodeRegistration:
  kubeletExtraArgs:
  - {name: v, value: "3"}
  - {name: node-ip, value: __ADDRESS__}
  - {name: max-pods, value: "100"}
`,
}, {
	name: "volumes-and-environment",
	documents: `kind: ClusterConfiguration
apiServer:
  extraVolumes:
  - {name: audit, hostPath: /var/log/audit, mountPath: /var/log/audit, pathType: DirectoryOrCreate}
  - {name: hosts, hostPath: /etc/hosts, mountPath: /etc/more-hosts, readOnly: true, pathType: File}
  extraEnvs:
  - {name: GOGC, value: "80"}
controllerManager:
  extraVolumes:
  - {name: cloud, hostPath: /etc/cloud, mountPath: /etc/cloud, readOnly: true, pathType: DirectoryOrCreate}
  extraEnvs:
  - {name: GOGC, value: "90"}
  - {name: EMPTY}
scheduler:
  extraVolumes:
  - {name: extra, hostPath: /etc/scheduler, mountPath: /etc/scheduler, pathType: DirectoryOrCreate}
  extraEnvs:
  - {name: GOMAXPROCS, value: "2"}
etcd:
  local:
    extraEnvs:
    - {name: ETCD_QUOTA_BACKEND_BYTES, value: "4294967296"}
`,
}, {
	name: "patches",
	documents: `kind: InitConfiguration
patches:
  directory: /root/contract/patches
`,
	prepare: `mkdir -p /root/contract/patches && cd /root/contract/patches
printf 'metadata:\n  annotations: {patched: etcd}\n' > etcd.yaml
printf 'spec:\n  containers:\n  - name: kube-apiserver\n    resources: {requests: {cpu: 123m}}\n' > kube-apiserver0+strategic.yaml
printf '[{"op":"add","path":"/metadata/labels/second","value":"yes"}]' > kube-apiserver1+json.json
printf '{"metadata":{"labels":{"merged":"yes"}}}' > kube-controller-manager+merge.json
printf 'spec:\n  containers:\n  - name: kube-scheduler\n    env: [{name: PATCHED, value: "1"}]\n' > kube-scheduler.yaml
printf 'maxPods: 77\nevictionHard: {memory.available: 120Mi}\n' > kubeletconfiguration+merge.yaml
printf 'spec:\n  replicas: 1\n  template: {metadata: {annotations: {patched: coredns}}}\n' > corednsdeployment.yaml
`,
}, {
	name: "networks",
	documents: `kind: ClusterConfiguration
networking:
  podSubnet: 172.20.0.0/16
  serviceSubnet: 172.30.0.0/20
  dnsDomain: corp.example
`,
}, {
	name: "external-ca",
	documents: `kind: ClusterConfiguration
encryptionAlgorithm: RSA-2048
`,
	prepare: `kubeadm init phase certs all --config $CONFIG >/dev/null && kubeadm init phase kubeconfig all --config $CONFIG >/dev/null &&
cd /etc/kubernetes/pki && rm ca.key front-proxy-ca.key etcd/ca.key
`,
	ci: true,
}, {
	name: "rsa-2048", documents: "kind: ClusterConfiguration\nencryptionAlgorithm: RSA-2048\n",
}, {
	name: "rsa-3072", documents: "kind: ClusterConfiguration\nencryptionAlgorithm: RSA-3072\n",
}, {
	name: "ecdsa-p384", documents: "kind: ClusterConfiguration\nencryptionAlgorithm: ECDSA-P384\n",
}, {
	name: "cert-sans",
	documents: `kind: ClusterConfiguration
apiServer:
  certSANs: [api.example.com, "*.example.org", 192.0.2.7, "2001:db8::7"]
etcd:
  local:
    serverCertSANs: [etcd.example.com, 192.0.2.8]
    peerCertSANs: [peer.example.com, 192.0.2.9]
`,
}, {
	name: "labels-and-taints",
	documents: `kind: InitConfiguration
nodeRegistration:
  kubeletExtraArgs:
  - {name: node-labels, value: "disk=ssd,zone=a"}
  taints:
  - {key: dedicated, value: control, effect: NoSchedule}
  - {key: slow, effect: PreferNoSchedule}
`,
}, {
	name: "no-taints",
	documents: `kind: InitConfiguration
nodeRegistration:
  taints: []
`,
}, {
	name: "directories-and-repository",
	documents: `kind: ClusterConfiguration
certificatesDir: /etc/kubernetes/certificates
imageRepository: registry.example.com/mirror
dns:
  imageRepository: registry.example.com/dns
etcd:
  local:
    imageRepository: registry.example.com/etcd
    dataDir: /var/lib/etcd-data
`,
	prepare: `for i in $(ctr -n k8s.io images ls -q | grep ^registry.k8s.io/); do
n=${i#registry.k8s.io/}
case $n in coredns/*) t=registry.example.com/dns/${n#coredns/} ;; etcd:*) t=registry.example.com/etcd/$n ;; *) t=registry.example.com/mirror/$n ;; esac
ctr -n k8s.io images tag $i $t >/dev/null
done
`,
	ci: true,
}, {
	name: "endpoint-and-name",
	documents: `kind: ClusterConfiguration
controlPlaneEndpoint: api.lab.example:6443
clusterName: production
`,
	prepare: "echo __ADDRESS__ api.lab.example >> /etc/hosts\n",
}, {
	name: "validity",
	documents: `kind: ClusterConfiguration
certificateValidityPeriod: 240h
caCertificateValidityPeriod: 2400h
`,
}, {
	name: "no-addons",
	documents: `kind: ClusterConfiguration
dns: {disabled: true}
proxy: {disabled: true}
---
kind: InitConfiguration
skipPhases: [addon/coredns]
`,
}, {
	name: "port-name-and-gates",
	documents: `kind: ClusterConfiguration
featureGates: {NodeLocalCRISocket: true}
---
kind: InitConfiguration
localAPIEndpoint:
  bindPort: 8443
nodeRegistration:
  name: control-plane-one
  imagePullPolicy: Never
bootstrapTokens:
- {token: abcdef.0123456789abcdef, ttl: 0s, description: for ever}
- {token: fedcba.fedcba9876543210, ttl: 2h0m0s, usages: [authentication]}
`,
}, {
	name: "component-documents",
	documents: `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 55
evictionHard: {memory.available: 150Mi}
serverTLSBootstrap: true
clusterDomain: cluster.local
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
metricsBindAddress: 0.0.0.0:10249
nodePortAddresses: [primary]
`,
}, {
	name: "dual-stack",
	documents: `kind: ClusterConfiguration
networking:
  podSubnet: 10.244.0.0/16,fd00:10:244::/56
  serviceSubnet: 10.96.0.0/16,fd00:10:96::/112
---
kind: InitConfiguration
nodeRegistration:
  kubeletExtraArgs:
  - {name: node-ip, value: "__ADDRESS__,fd00:210::11"}
`,
	prepare: "ip -6 addr add fd00:210::11/64 dev eth0 nodad\nsysctl -qw net.ipv6.conf.default.forwarding=1\n",
}, {
	// The API of before, with what stood for ECDSA keys in it.
	name: "v1beta3",
	documents: `apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
encryptionAlgorithm: null
featureGates: {PublicKeysECDSA: true}
apiServer:
  timeoutForControlPlane: 5m0s
  extraArgs: {v: "2"}
  certSANs: [old.example.com]
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
nodeRegistration:
  kubeletExtraArgs: {v: "3"}
`,
}}
