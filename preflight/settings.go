package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// settings finds a change of what cannot be changed in a cluster that runs:
// addresses that are handed out, the place of etcd's data. It reads them back
// from the manifests, which are there when the API server is not.
func settings() Check {
	return Check{"ClusterSettings", func(s Subject) []Finding {
		if !s.Ours {
			return nil // then whatever is there is somebody else's, and found by others
		}
		var findings []Finding
		for _, fixed := range []struct {
			component, flag, want string
			set                   []cluster.Arg // given by the user, so not ours to know
		}{
			{"kube-apiserver", "service-cluster-ip-range", joined(s.Cluster.Networking.ServiceSubnets), s.Cluster.APIServer.ExtraArgs},
			{"kube-controller-manager", "cluster-cidr", joined(s.Cluster.Networking.PodSubnets), s.Cluster.Controller.ExtraArgs},
			{"etcd", "data-dir", s.Cluster.Etcd.DataDir, s.Cluster.Etcd.ExtraArgs},
		} {
			manifest, ok := s.Facts.Manifests[cluster.ManifestsDir+"/"+fixed.component+".yaml"]
			given := slices.ContainsFunc(fixed.set, func(a cluster.Arg) bool { return a.Name == fixed.flag })
			if !ok || given {
				continue
			}
			if have := flag(manifest, fixed.flag); have != fixed.want {
				findings = append(findings, finding(Error, "grep -e --"+fixed.flag+" "+cluster.ManifestsDir+"/"+fixed.component+".yaml",
					"%s of the running cluster is %q and cannot be changed to %q", fixed.flag, have, fixed.want)...)
			}
		}
		return findings
	}}
}

// flag reads one flag of a static pod manifest, where each is a line.
func flag(manifest []byte, name string) string {
	for line := range strings.Lines(string(manifest)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "- --"+name+"="); ok {
			return value
		}
	}
	return ""
}

func joined(prefixes []netip.Prefix) string {
	var texts []string
	for _, p := range prefixes {
		texts = append(texts, fmt.Sprint(p))
	}
	return strings.Join(texts, ",")
}
