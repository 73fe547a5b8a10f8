package phases

import "github.com/clusteradm/clusteradm/internal/plan"

// Lists is every list there is, by name. The crash matrix goes over it: a list
// that is not here, or that the matrix has no machine for, fails a test.
func Lists() map[string]func() []plan.Phase {
	return map[string]func() []plan.Phase{"init": Init, "join": Join, "renew": Renew, "requests": Requests, "fix": Fix, "reset": Reset,
		"etcdinit": EtcdInit, "etcdjoin": EtcdJoin, "member-replace": MemberReplace,
		"endpoint": Endpoint, "endpoint-follow": EndpointFollow}
}
