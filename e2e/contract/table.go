package contract

// WorkerJoin is the case that compares a worker's join. The others are named
// after their configuration.
const WorkerJoin = "join of a worker"

// Allowed are the places in which clusteradm leaves something else than
// kubeadm, each with its reason. docs/contract.md shows them to users.
var Allowed = []Allowance{{
	Where:  "input ClusterConfiguration#/encryptionAlgorithm",
	Reason: "without `encryptionAlgorithm` clusteradm makes ECDSA-P256 keys and kubeadm RSA-2048, which are much slower to make and to use. With the setting both make what it says",
	Only:   []string{"defaults"},
}, {
	Where:  "ConfigMap kube-system/kubeadm-config#/data/ClusterConfiguration/encryptionAlgorithm",
	Reason: "the same default; here kubeadm makes ECDSA keys by its old feature gate `PublicKeysECDSA` and goes on to say RSA-2048",
	Only:   []string{"v1beta3"},
}, {
	Where:  "Secret kube-system/bootstrap-token-ID#/data/description",
	Reason: "a token that init makes by itself says where it comes from, also when init was given a configuration file",
	Only:   []string{"defaults"},
}, {
	Where:  "/var/lib/clusteradm",
	Reason: "the journal, by which a run can be rolled back and explained",
}, {
	Where:  "/etc/kubernetes/manifests#@attributes",
	Reason: "a directory that a package made for everybody to read gets the mode that kubeadm gives only to one that it makes itself, 0700",
}, {
	Where:  "/var/lib/kubelet/pki/kubelet-client-init.pem",
	Reason: "the kubelet's first client certificate is put where the kubelet keeps its own, so that kubelet.conf refers to the rotating one from the start and is not rewritten under a running kubelet",
	Except: []string{WorkerJoin},
}, {
	Where:  "/var/lib/kubelet/pki/kubelet-client-current.pem#@attributes",
	Reason: "therefore the link goes there until the first rotation",
	Except: []string{WorkerJoin},
}, {
	Where:  "/var/lib/kubelet/pki/kubelet-client-MOMENT.pem",
	Reason: "and the kubelet need not ask for a certificate of its own at its first start",
	Except: []string{WorkerJoin},
}, {
	Where:  "CertificateSigningRequest of a node for kubernetes.io/kube-apiserver-client-kubelet",
	Reason: "so there is no such request",
}}
