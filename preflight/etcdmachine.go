package preflight

import (
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// EtcdMachine is the checks before a machine runs etcd for control planes
// elsewhere; first is that it founds the cluster and joins none. Of what a node
// needs it lacks what is for pods: its only pod has the network of the machine.
func EtcdMachine(c *cluster.Cluster, first bool) []Check {
	return []Check{privileged(), noNode(cluster.KubeletConf), noNode(cluster.ManifestsDir + "/kube-apiserver.yaml"), etcdSettings(first),
		criCheck(), runtimeVersion(), cgroupDriver(), swap(), systemVerification(), hostname(), anyKubelet(), kubeletService(),
		firewalld(), productUUID(), machineID(), macAddress(), clock(), timeSync(), diskSpace(), leftovers(),
		module("overlay"), program("losetup"), program("mount"), program("cp"),
		fileAvailable(cluster.ManifestsDir + "/etcd.yaml"),
		port(2379, "etcd"), port(2380, "etcd"), port(2381, "etcd"), emptyDir(c.Etcd.DataDir), fsyncLatency()}
}

// anyKubelet finds that there is none. Which version it has is no matter where
// there is no API server that it talks to.
func anyKubelet() Check {
	return Check{"KubeletVersion", func(s Subject) []Finding {
		if s.Facts.KubeletVersion != "" {
			return nil
		}
		return kubelet().Find(s)
	}}
}

// noNode finds a machine whose kubelet is a cluster's.
func noNode(path string) Check {
	return Check{"FileAvailable-" + strings.ReplaceAll(path, "/", "-"), func(s Subject) []Finding {
		if !s.Facts.Exists(path) {
			return nil
		}
		return finding(Error, "clusteradm reset   # first, if it is to run etcd alone", "%s exists: this machine is a node of a cluster, and its kubelet cannot be without one", path)
	}}
}

// noEtcdMachine finds a machine whose kubelet would never ask an API server.
func noEtcdMachine() Check {
	return Check{"FileAvailable-" + strings.ReplaceAll(cluster.EtcdKubeletDropIn, "/", "-"), func(s Subject) []Finding {
		if !s.Facts.Exists(cluster.EtcdKubeletDropIn) {
			return nil
		}
		return finding(Error, "clusteradm reset   # first, if it is to be a node", "%s exists: this machine runs etcd for others, and its kubelet joins no cluster", cluster.EtcdKubeletDropIn)
	}}
}

// etcdSettings finds what cannot be changed of a member that is there.
func etcdSettings(first bool) Check {
	return Check{"ClusterSettings", func(s Subject) []Finding {
		manifest, ok := s.Facts.Manifests[cluster.ManifestsDir+"/etcd.yaml"]
		if !s.Ours || !ok {
			return nil
		}
		var findings []Finding
		if found := otherMembers(s); first && len(found) > 0 {
			findings = append(findings, finding(Error, "clusteradm etcd join ENDPOINT", "the etcd of this machine joined others (%s); etcd init is for the first one", flag(manifest, "initial-cluster"))...)
		}
		for _, a := range s.Cluster.Etcd.ExtraArgs {
			if a.Name == "data-dir" {
				return findings
			}
		}
		if have := flag(manifest, "data-dir"); have != s.Cluster.Etcd.DataDir {
			findings = append(findings, finding(Error, "grep -e --data-dir "+cluster.ManifestsDir+"/etcd.yaml", "data-dir of the running etcd is %q and cannot be changed to %q", have, s.Cluster.Etcd.DataDir)...)
		}
		return findings
	}}
}
