package diagnosis

import (
	"strings"
)

// Node is the Node of this name that the cluster has.
type Node struct {
	Seen, Exists bool
	Fault        Fault // why it could not be seen
	Ready        bool
	Message      string // of its condition Ready
	MachineID    string
	SystemUUID   string
	Addresses    []string
}

// same says whether a Node is of this machine, by what its kubelet reported.
func (n Node) same(m Machine) Tristate {
	verdict := Tristate("")
	for _, pair := range [][2]string{{n.MachineID, m.MachineID}, {strings.ToLower(n.SystemUUID), strings.ToLower(m.SystemUUID)}} {
		switch {
		case pair[0] == "" || pair[1] == "":
		case pair[0] != pair[1]:
			return No
		default:
			verdict = Yes
		}
	}
	return verdict
}

// proof compares a Node's machine with this one.
func (n Node) proof(m Machine) string {
	return "its machine has machine ID " + or(n.MachineID, "unknown") + ", system UUID " + or(n.SystemUUID, "unknown") + " and addresses " + orNone(n.Addresses) +
		"; this one has " + or(m.MachineID, "no machine ID") + ", " + or(m.SystemUUID, "no system UUID") + " and " + orNone(m.Addresses)
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (j Join) name() Finding {
	const name = "name"
	n, m := j.Access.Node, j.Machine
	see := "kubectl get node " + j.Node + " -o wide   # or choose another name: --node-name"
	switch same := n.same(m); {
	case !n.Seen && n.Fault.Text != "":
		return unknown(name, "%s", n.Fault.Text).hint(n.Fault.Hint)
	case !n.Seen:
		return unknown(name, "%s", j.orLoggedOut())
	case !n.Exists:
		return ok(name, "the cluster has no node %s", j.Node)
	case m.Joined || same == Yes && !n.Ready:
		return ok(name, "the node %s is this machine", j.Node)
	case same == Yes:
		return bad(name, "the Ready node %s is this very machine, from before: a join takes no name of a Ready node", j.Node).
			proof("%s", n.proof(m)).hint("kubectl delete node " + j.Node)
	case n.Ready:
		return bad(name, "the name is taken: the cluster has a Ready node %s, which is another machine", j.Node).proof("%s", n.proof(m)).hint(see)
	case same == No:
		return bad(name, "the name is another machine's: the cluster has a node %s, which is not Ready; a join would take over its Node", j.Node).
			proof("%s; it is not Ready: %s", n.proof(m), or(n.Message, "it does not say why")).
			hint("if that machine is gone: kubectl delete node " + j.Node + "   # else choose another name: --node-name")
	}
	return unknown(name, "the cluster has a node %s that is not Ready and does not say which machine it is", j.Node).hint(see)
}

// ready is of a machine that has joined.
func (j Join) ready() Finding {
	const name = "ready"
	n := j.Access.Node
	switch {
	case j.ControlPlane && (j.member().Verdict == Bad || j.learner().Verdict == Bad):
		// Its kubelet registers the node at the API server beside it.
		return unknown(name, "this machine's own API server does not serve while its etcd does not")
	case !n.Seen:
		return unknown(name, "%s", or(n.Fault.Text, j.orLoggedOut()))
	case !n.Exists:
		return bad(name, "this machine has joined, and the cluster has no node %s", j.Node).proof("there is none of that name%s", j.Machine.Kubelet.lastWords()).hint("journalctl -u kubelet.service -n 50")
	case !n.Ready:
		return bad(name, "this machine has joined, and its node is not Ready").proof("%s", n.Message).hint("kubectl describe node " + j.Node)
	}
	return ok(name, "the node %s is Ready", j.Node)
}

func (j Join) configuration() Finding {
	const name = "configuration"
	a := j.Access
	switch {
	case a.Authenticated != Yes:
		return unknown(name, "%s", j.orLoggedOut())
	case a.Configuration.Text != "":
		return bad(name, "the cluster's configuration for joining nodes cannot be read").proof("%s", a.Configuration.Text).hint(a.Configuration.Hint)
	}
	return ok(name, "the cluster's configuration for joining nodes is readable")
}

// orLoggedOut is why nothing was to be had with the credentials.
func (j Join) orLoggedOut() string {
	if j.Access.Authenticated == No {
		return "the cluster does not accept this machine's credentials"
	}
	return j.notAsked()
}
