package preflight

import (
	"slices"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Reset is what is looked at before some phases of reset are carried out.
func Reset(phases []string) []Check {
	checks := []Check{privileged()}
	if slices.Contains(phases, "remove-etcd-member") {
		checks = append(checks, etcdQuorum())
	}
	if slices.Contains(phases, "cleanup-node") {
		checks = append(checks, runtimeAnswers(), firewall())
	}
	return checks
}

// etcdQuorum keeps the data of a member that others count on, or may. It is
// not for --force to pass over: that only keeps from asking.
func etcdQuorum() Check {
	return Check{"EtcdQuorum", func(s Subject) []Finding {
		switch {
		case s.Remains.EtcdUnread != "":
			return finding(Error, "cat "+cluster.ManifestsDir+"/etcd.yaml", "%s; ignored, etcd's data stay and its member stays in the list of members", s.Remains.EtcdUnread)
		case s.Remains.EtcdOrphan && s.Remains.Node:
			return finding(Warning, "ls /var/lib/etcd "+cluster.ManifestsDir, "etcd has data in /var/lib/etcd and no manifest: they stay, and if it has a member in a cluster of several that stays in the list of members")
		case s.Remains.Etcd == nil:
			return nil
		}
		if problem := s.Remains.Etcd.Removal().Problem; problem != "" {
			return finding(Error, "crictl ps -a --name etcd", "%s; ignored, the data of this member are removed and it stays in the list of members", problem)
		}
		return nil
	}}
}

// runtimeAnswers says that pods would run on. Where there is nothing of a
// cluster a runtime that does not answer has none.
func runtimeAnswers() Check {
	return Check{"CRI", func(s Subject) []Finding {
		if s.Remains.Runtime == "" || !s.Remains.Node {
			return nil
		}
		return finding(Error, "systemctl start containerd.service   # or whichever it is", "the container runtime at %s cannot be asked for its pods, which would run on: %s", s.Node.CRISocket, s.Remains.Runtime)
	}}
}

// firewall says what cannot be looked for.
func firewall() Check {
	return Check{"Firewall", func(s Subject) []Finding {
		if !s.Remains.Node || len(s.Remains.Firewall) > 0 || s.Remains.NFT {
			return nil
		}
		return finding(Warning, "reboot", "neither iptables nor nft is installed: rules of kube-proxy and the pod network stay until the next boot")
	}}
}
