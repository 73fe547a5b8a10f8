package preflight

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

const (
	// leastEtcd is the oldest external etcd that kubeadm of 1.36 takes.
	leastEtcd = "3.5.24"
	// steadyEtcd is the first of 3.5 that 3.6 may follow. Older ones keep the
	// list of members in two places that can differ, and 3.6 reads the other
	// one: members that were removed are back in it (etcd-io/etcd#20995).
	steadyEtcd = "3.5.26"
)

// externalEtcdVersion judges every member, whether it is among the endpoints
// or not: one that the API server does not ask is in the cluster all the same.
func externalEtcdVersion() Check {
	return Check{"ExternalEtcdVersion", func(s Subject) []Finding {
		e := s.Facts.Machine.Etcd
		if e == nil {
			return nil
		}
		findings := sameCluster(s, e)
		for _, at := range e.Endpoints {
			if at.Error != "" {
				findings = append(findings, finding(Error, ask(s, at.Asked), "ask the external etcd for its version: %s", at.Error)...)
			}
		}
		servers := e.Members
		if servers == nil {
			findings = append(findings, unlisted(s, e)...)
			for _, at := range e.Endpoints {
				if at.Error == "" {
					servers = append(servers, cluster.EtcdServer{Name: "at " + at.URL, ClientURLs: []string{at.URL}, Version: at.Version})
				}
			}
		}
		findings = append(findings, silentMembers(s, e)...)
		return append(findings, versions(s, servers)...)
	}}
}

// ask is a command that asks one server for its version as the API server would.
func ask(s Subject, endpoint string) string {
	e := s.Cluster.Etcd.External
	command := "curl"
	for _, o := range [][2]string{{" --cacert ", e.CAFile}, {" --cert ", e.CertFile}, {" --key ", e.KeyFile}} {
		if o[1] != "" {
			command += o[0] + o[1]
		}
	}
	return command + " " + strings.TrimSuffix(endpoint, "/") + "/version"
}

// etcdctl is a command that asks all members.
func etcdctl(s Subject, command string) string {
	e := s.Cluster.Etcd.External
	text := "etcdctl --endpoints " + strings.Join(e.Endpoints, ",")
	for _, o := range [][2]string{{" --cacert ", e.CAFile}, {" --cert ", e.CertFile}, {" --key ", e.KeyFile}} {
		if o[1] != "" {
			text += o[0] + o[1]
		}
	}
	return text + " " + command
}

// sameCluster finds endpoints that have no member in common: an API server
// would read from the one what it did not write to the other.
func sameCluster(s Subject, e *cluster.ExternalEtcdFacts) []Finding {
	var first *cluster.EtcdEndpoint
	for i := range e.Endpoints {
		at := &e.Endpoints[i]
		switch {
		case len(at.Members) == 0:
		case first == nil:
			first = at
		case !slices.ContainsFunc(at.Members, func(id uint64) bool { return slices.Contains(first.Members, id) }):
			return finding(Error, etcdctl(s, "member list"), "%s and %s are of different etcd clusters: they have no member in common", first.URL, at.URL)
		}
	}
	return nil
}

func unlisted(s Subject, e *cluster.ExternalEtcdFacts) []Finding {
	for _, at := range e.Endpoints {
		if at.Unlisted != "" && at.Error == "" {
			return finding(Warning, etcdctl(s, "member list"), "the external etcd does not list its members, so the versions of those that are no endpoints are not known: %s", at.Unlisted)
		}
	}
	return nil // nobody answers at all, which is said already
}

// silentMembers tells members that do not serve, and whether the others are
// enough.
func silentMembers(s Subject, e *cluster.ExternalEtcdFacts) []Finding {
	voters, silent := 0, []string{}
	var findings []Finding
	for _, m := range e.Members {
		if !m.Learner {
			voters++
		}
		if m.Error == "" {
			continue
		}
		if !m.Learner {
			silent = append(silent, m.Name)
		}
		if m.Version == "" && !isEndpoint(e, m) {
			findings = append(findings, finding(Warning, etcdctl(s, "endpoint status --cluster"), "member %s of the external etcd does not answer, so its version is not known: %s", m.Name, m.Error)...)
		}
	}
	if needed := voters/2 + 1; voters > 0 && voters-len(silent) < needed {
		findings = append(findings, finding(Error, etcdctl(s, "endpoint health --cluster"), "the external etcd has no quorum: of %d members that vote %d must answer, and %s do not", voters, needed, strings.Join(silent, ", "))...)
	}
	return findings
}

// isEndpoint reports a member about which an endpoint has said it already.
func isEndpoint(e *cluster.ExternalEtcdFacts, m cluster.EtcdServer) bool {
	return slices.ContainsFunc(e.Endpoints, func(at cluster.EtcdEndpoint) bool {
		return at.Error != "" && slices.Contains(m.ClientURLs, strings.TrimSuffix(at.URL, "/"))
	})
}

// versions judges all that answered, each for itself and then together.
func versions(s Subject, servers []cluster.EtcdServer) []Finding {
	var findings []Finding
	var unsteady []string
	mixed := false
	for _, m := range servers {
		if m.Version == "" && m.Error != "" {
			continue
		}
		hint := etcdctl(s, "endpoint status --cluster")
		v, err := version.ParseSemantic(m.Version)
		switch {
		case err != nil:
			findings = append(findings, finding(Error, hint, "member %s of the external etcd has version %q, which is not understood", m.Name, m.Version)...)
		case v.LessThan(version.MustParseSemantic(leastEtcd)):
			findings = append(findings, finding(Error, hint, "member %s of the external etcd is %s, older than %s", m.Name, m.Version, leastEtcd)...)
		case v.LessThan(version.MustParseSemantic(steadyEtcd)):
			unsteady = append(unsteady, fmt.Sprintf("%s (%s)", m.Name, m.Version))
		case v.AtLeast(version.MustParseSemantic("3.6.0")):
			mixed = true
		}
	}
	if len(unsteady) == 0 {
		return findings
	}
	level, when := Warning, "before the first member goes to 3.6"
	if mixed {
		level, when = Error, "and others are 3.6 already"
	}
	return append(findings, finding(level, etcdctl(s, "endpoint status --cluster"),
		"of the external etcd %s must be at least %s, %s: an older 3.5 can bring members back that were removed, once 3.6 reads its list of members", strings.Join(unsteady, ", "), steadyEtcd, when)...)
}
