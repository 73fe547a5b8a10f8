package discovery

// Reason is why discovery failed; errors.Is finds it, and errors.As finds its
// Hint through an interface{ Hint() string }.
type Reason string

// The reasons. Only ErrUnreachable and ErrNoClusterInfo take until the timeout
// to be known.
const (
	ErrInvalid       Reason = "discovery options are invalid"
	ErrUnresolved    Reason = "name does not resolve"
	ErrUnreachable   Reason = "API server is not reachable"
	ErrNoClusterInfo Reason = "cluster-info is not readable"
	ErrMalformed     Reason = "cluster-info is malformed"
	ErrUnsigned      Reason = "token expired or unknown"
	ErrSignature     Reason = "signature does not match the token"
	ErrPin           Reason = "cluster CA is not a pinned one"
	ErrUntrusted     Reason = "server certificate is not trusted"
	ErrClock         Reason = "certificate is not valid at this machine's time"
	ErrChanged       Reason = "cluster-info changed between two reads"
)

func (r Reason) Error() string { return string(r) }

// Hint is what the user can do about it.
func (r Reason) Hint() string {
	switch r {
	case ErrInvalid:
		return "copy the join command as a whole: kubeadm token create --print-join-command"
	case ErrUnresolved:
		return "check the endpoint's spelling and this machine's DNS"
	case ErrUnreachable:
		return "check that the API server runs and that no firewall is in between"
	case ErrNoClusterInfo:
		return "on a control plane run: clusteradm init phase bootstrap-token"
	case ErrMalformed:
		return "check that the endpoint is this cluster's API server; to rewrite cluster-info, on a control plane run: clusteradm init phase bootstrap-token"
	case ErrUnsigned:
		return "on a control plane run: kubeadm token create --print-join-command"
	case ErrSignature:
		return "the token's second half is wrong, or something answers in place of the API server; on a control plane run: kubeadm token create --print-join-command"
	case ErrPin:
		return "the endpoint belongs to another cluster, the cluster was made anew, or something answers in its place; on a control plane run: kubeadm token create --print-join-command"
	case ErrUntrusted:
		return "something answers in place of the API server, or the endpoint is missing from the certificate: see apiServer.certSANs"
	case ErrClock:
		return "set this machine's clock, or renew the certificate: clusteradm certs renew all"
	case ErrChanged:
		return "something changed cluster-info on its way, or it was being updated: try again"
	}
	return ""
}
