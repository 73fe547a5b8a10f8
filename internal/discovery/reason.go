package discovery

// Reason is why discovery failed; errors.Is finds it, and errors.As finds its
// Hint through an interface{ Hint() string }.
type Reason string

// The reasons.
const (
	ErrInvalid       Reason = "discovery options are invalid"
	ErrUnresolved    Reason = "name does not resolve"
	ErrUnreachable   Reason = "API server is not reachable"
	ErrNoBackend     Reason = "no API server answers behind the endpoint"
	ErrNotAPIServer  Reason = "endpoint is no API server"
	ErrNoSite        Reason = "server of the discovery file is not reachable"
	ErrNoClusterInfo Reason = "cluster-info is not readable"
	ErrMalformed     Reason = "cluster-info is malformed"
	ErrUnsigned      Reason = "token expired or unknown"
	ErrNoSignature   Reason = "cluster-info is not signed"
	ErrSignature     Reason = "signature does not match the token"
	ErrPin           Reason = "cluster CA is not a pinned one"
	ErrUntrusted     Reason = "server certificate is not trusted"
	ErrClock         Reason = "certificate is not valid at this machine's time"
	ErrChanged       Reason = "cluster-info changed between two reads"
)

func (r Reason) Error() string { return string(r) }

const newToken = "on a control plane run: clusteradm token create --print-join-command"

// Hint is what the user can do about it.
func (r Reason) Hint() string {
	switch r {
	case ErrInvalid:
		return "copy the join command as a whole; " + newToken
	case ErrUnresolved:
		return "check the endpoint's spelling and this machine's DNS: resolvectl query NAME"
	case ErrUnreachable:
		return "to wait for an API server that is still to come, set timeouts.discovery in a JoinConfiguration"
	case ErrNoBackend:
		return "look at the load balancer's backends and at the API servers: on each control plane run: curl -k https://127.0.0.1:6443/readyz"
	case ErrNotAPIServer:
		return "check the endpoint's address and port; " + newToken
	case ErrNoSite:
		return "fetch the file elsewhere and give its path: --discovery-file PATH"
	case ErrNoClusterInfo:
		return "on a control plane run: clusteradm init phase bootstrap-token"
	case ErrMalformed:
		return "check that the endpoint is this cluster's API server; to rewrite cluster-info, on a control plane run: clusteradm init phase bootstrap-token"
	case ErrUnsigned:
		return newToken
	case ErrNoSignature:
		return "either all tokens have expired, or the controller manager, which signs, does not run; " + newToken + "; kubectl -n kube-system get pods -l component=kube-controller-manager"
	case ErrSignature:
		return "the token's second half is wrong, or something answers in place of the API server; " + newToken
	case ErrPin:
		return "the endpoint belongs to another cluster, the cluster was made anew, or something answers in its place; " + newToken
	case ErrUntrusted:
		return "something answers in place of the API server, or the endpoint is missing from the certificate: see apiServer.certSANs"
	case ErrClock:
		return "compare this machine's clock with the control plane's: timedatectl; if it is right, on the control plane run: clusteradm certs renew all"
	case ErrChanged:
		return "something changed cluster-info on its way, or it was being updated: try again"
	}
	return ""
}
