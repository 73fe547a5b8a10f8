package diagnosis

import (
	"strings"
	"time"
)

// Machine is what lies and runs on the machine.
type Machine struct {
	MachineID, SystemUUID string
	Addresses             []string
	Runtime               Runtime
	Kubelet               Kubelet
	// Joined: the kubelet has a certificate for this node of this cluster.
	Joined      bool
	Certificate time.Time // until when it is good; zero: there is none
	Asking      time.Time // since when the kubelet has credentials to ask for a certificate with; zero: it has none
	EtcdData    bool      // etcd has data here
	EtcdStatic  bool      // a manifest of etcd is here
	EtcdSince   time.Time // when that was written
}

// Runtime is the container runtime.
type Runtime struct {
	Seen     bool
	Socket   string
	Answers  bool
	Fault    Fault
	Ready    bool
	NotReady string
	Name     string // with its version
}

// Kubelet is its systemd unit.
type Kubelet struct {
	Seen, Loaded, Masked, Active bool
	Failing                      Fault
	Words                        []string // the last of its log that say what is wrong
}

// Standing is how far a join has come on the machine.
func (j Join) Standing() string {
	m := j.Machine
	own, member := j.own()
	switch {
	case m.EtcdStatic && j.Etcd.Seen && !member:
		return "a control plane's join was begun on this machine, and etcd does not have its member"
	case m.EtcdStatic && j.Etcd.Seen && own.Learner:
		return "a control plane's join has come as far as its etcd, which has no vote yet"
	case m.Joined && m.EtcdStatic:
		return "this machine has joined, with an etcd of its own; its kubelet's certificate is good until " + m.Certificate.UTC().Format(time.RFC3339)
	case m.Joined:
		return "this machine has joined; its kubelet's certificate is good until " + m.Certificate.UTC().Format(time.RFC3339)
	case !m.Asking.IsZero() && m.Kubelet.Active:
		return "a join has come as far as the kubelet, which has asked for its certificate since " + m.Asking.UTC().Format(time.RFC3339)
	case !m.Asking.IsZero():
		return "a join was begun at " + m.Asking.UTC().Format(time.RFC3339) + ", and the kubelet does not run"
	case m.EtcdData || m.EtcdStatic:
		return "this machine has an etcd, and its kubelet has no certificate"
	}
	return "nothing of a join is on this machine"
}

func (j Join) runtime() Finding {
	const name = "runtime"
	switch r := j.Machine.Runtime; {
	case !r.Seen:
		return unknown(name, "the runtime was not asked in time")
	case !r.Answers:
		return bad(name, "the container runtime does not answer").proof("%s", or(r.Fault.Text, "nothing at "+r.Socket)).hint(r.Fault.Hint)
	case !r.Ready:
		return bad(name, "%s is not ready", r.Name).proof("%s", or(r.NotReady, "it does not say why")).hint(r.Fault.Hint)
	default:
		return ok(name, "%s answers at %s", r.Name, r.Socket)
	}
}

func (j Join) kubelet() Finding {
	const name = "kubelet"
	switch k := j.Machine.Kubelet; {
	case !k.Seen:
		return unknown(name, "systemd does not say")
	case k.Masked:
		return bad(name, "kubelet.service is masked").hint("systemctl unmask kubelet.service")
	case !k.Loaded:
		return bad(name, "systemd has no unit kubelet.service").hint("install the kubelet and its unit: the packages kubelet and kubeadm bring them")
	case k.Failing.Text != "" && !j.Machine.Asking.IsZero():
		return bad(name, "the kubelet does not stay up").proof("%s", k.Failing.Text).hint(k.Failing.Hint)
	case k.Active:
		return ok(name, "kubelet.service runs")
	}
	return ok(name, "kubelet.service is there; a join starts it")
}

// lastWords is what the kubelet says is wrong.
func (k Kubelet) lastWords() string {
	if len(k.Words) == 0 {
		return ""
	}
	return "; the kubelet says: " + strings.Join(k.Words, " | ")
}
