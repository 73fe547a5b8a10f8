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
		findings := otherMembers(s)
		for _, fixed := range []struct {
			component, flag, want string
			set                   []cluster.Arg // given by the user, so not ours to know
		}{
			{"kube-apiserver", "service-cluster-ip-range", joined(s.Cluster.Networking.ServiceSubnets), s.Cluster.APIServer.ExtraArgs},
			{"kube-controller-manager", "cluster-cidr", joined(s.Cluster.Networking.PodSubnets), s.Cluster.Controller.ExtraArgs},
			{"kube-apiserver", "etcd-servers", etcdServers(s.Cluster), s.Cluster.APIServer.ExtraArgs},
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
		return append(findings, otherVersion(s)...)
	}}
}

// etcdServers is what an API server here is told without arguments of the
// user's: its own member, or the external ones.
func etcdServers(c *cluster.Cluster) string {
	if c.Etcd.External != nil {
		return strings.Join(c.Etcd.External.Endpoints, ",")
	}
	return "https://127.0.0.1:2379"
}

// otherMembers finds an etcd that joined others: written anew it would be told
// that it is alone, and would found a second cluster once its data are lost.
func otherMembers(s Subject) []Finding {
	members := flag(s.Facts.Manifests[cluster.ManifestsDir+"/etcd.yaml"], "initial-cluster")
	if flag(s.Facts.Manifests[cluster.ManifestsDir+"/etcd.yaml"], "initial-cluster-state") != "existing" && !strings.Contains(members, ",") {
		return nil
	}
	return finding(Error, "grep initial-cluster "+cluster.ManifestsDir+"/etcd.yaml", "this control plane joined others (%s); init is for the first one", members)
}

// otherVersion finds another version than the one that runs: a change of it is an
// upgrade, with steps that init does not take.
func otherVersion(s Subject) []Finding {
	for line := range strings.Lines(string(s.Facts.Manifests[cluster.ManifestsDir+"/kube-apiserver.yaml"])) {
		image, ok := strings.CutPrefix(strings.TrimSpace(line), "image: ")
		if !ok {
			continue
		}
		have := image[strings.LastIndexByte(image, ':')+1:]
		if want := strings.ReplaceAll(s.Cluster.Version, "+", "_"); have != want {
			return finding(Error, "clusteradm init --kubernetes-version "+have, "the running control plane is %s; init does not change it to %s", have, want)
		}
		return nil
	}
	return nil
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
