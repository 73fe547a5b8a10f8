package contract

// Allowed are the places in which clusteradm leaves something else than
// kubeadm, each with its reason. docs/contract.md shows them to users.
var Allowed = []Allowance{{
	Where:  "input ClusterConfiguration#/encryptionAlgorithm",
	Reason: "without `encryptionAlgorithm` clusteradm makes ECDSA-P256 keys and kubeadm RSA-2048: much faster to make and to use. With the setting both make what it says",
	Cases:  []string{"defaults"},
}}
