package preflight

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/version"
)

// leastEtcd is the oldest external etcd that kubeadm of 1.36 takes.
const leastEtcd = "3.5.24"

func externalEtcdVersion() Check {
	return Check{"ExternalEtcdVersion", func(s Subject) []Finding {
		var findings []Finding
		servers := s.Facts.Machine.EtcdServer
		for _, endpoint := range slices.Sorted(maps.Keys(servers)) {
			hint := "curl --cacert " + s.Cluster.Etcd.External.CAFile + " " + endpoint + "/version"
			v, err := version.ParseSemantic(servers[endpoint].Version)
			switch {
			case servers[endpoint].Error != "":
				findings = append(findings, finding(Error, hint, "ask the external etcd for its version: %s", servers[endpoint].Error)...)
			case err != nil:
				findings = append(findings, finding(Error, hint, "the external etcd at %s has version %q, which is not understood", endpoint, servers[endpoint].Version)...)
			case v.LessThan(version.MustParseSemantic(leastEtcd)):
				findings = append(findings, finding(Error, hint, "the external etcd at %s is %s, older than %s", endpoint, servers[endpoint].Version, leastEtcd)...)
			}
		}
		return findings
	}}
}

func externalEtcdFiles() Check {
	return Check{"ExternalEtcdClientCertificates", func(s Subject) []Finding {
		var findings []Finding
		for _, path := range slices.Sorted(maps.Keys(s.Facts.Machine.EtcdFiles)) {
			if !s.Facts.Machine.EtcdFiles[path] {
				findings = append(findings, finding(Error, "ls -l "+path, "%s, for the external etcd, is not there", path)...)
			}
		}
		return findings
	}}
}
