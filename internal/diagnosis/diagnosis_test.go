package diagnosis

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) time.Time { return now.Add(-d) }

// well is a machine whose join would work, seen by an administrator as well.
func well() Join {
	return Join{
		Now: now, Node: "w1",
		Endpoint: Endpoint{Address: "10.0.0.1:6443", Took: 3 * time.Millisecond},
		Trust:    Trust{TokenID: "abcdef", Signature: Right, Signed: []string{"abcdef"}, Seen: now, Date: now},
		Access:   Access{Authenticated: Yes, MayRequest: Yes, MayApprove: Yes, Node: Node{Seen: true}},
		Admin: Admin{Asked: true, Token: AdminToken{Seen: true, Exists: true, Expires: now.Add(time.Hour), Usages: []string{"authentication", "signing"}},
			Manager: Lease{Seen: true, Exists: true, Holder: "cp1_x", Renewed: before(time.Second)}},
		Machine: Machine{MachineID: "aa", SystemUUID: "bb", Addresses: []string{"10.0.0.9"},
			Runtime: Runtime{Seen: true, Answers: true, Ready: true, Name: "containerd 2.2", Socket: "/run/c.sock"}, Kubelet: Kubelet{Seen: true, Loaded: true}},
	}
}

// stranger is how a machine sees a cluster that does not take its token.
func stranger(j *Join) {
	j.Admin, j.Access = Admin{}, Access{Authenticated: No, Fault: Fault{Text: "Unauthorized"}}
	j.Trust.Signature, j.Trust.Signed = Absent, []string{"zzzzzz"}
}

func answer(p Problem) func(*Join) {
	return func(j *Join) {
		j.Endpoint.Problem, j.Endpoint.Fault = p, Fault{"as it was seen", "a way on"}
		j.Trust, j.Access = Trust{TokenID: "abcdef", Signature: Absent}, Access{}
		j.Admin = Admin{}
	}
}

func pending(j *Join) {
	j.Machine.Asking, j.Machine.Kubelet.Active = before(time.Minute), true
	j.Access.Requests = []Request{{Name: "csr-1", Requester: "system:bootstrap:abcdef", Made: before(time.Minute)}, {Name: "csr-0", Made: before(time.Hour), Issued: true}}
}

func noAdmin(j *Join) { j.Admin = Admin{} }

func taken(j *Join) {
	j.Access.Node = Node{Seen: true, Exists: true, Ready: true, MachineID: "zz", SystemUUID: "yy", Addresses: []string{"10.0.0.7"}}
}

// Each obstacle is named, it alone, with what proves it and a way on.
func TestEachObstacleIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		edits []func(*Join)
		bad   string // the names, in order
		says  []string
	}{
		"nothing":                    {nil, "", nil},
		"nothing an admin need tell": {[]func(*Join){noAdmin}, "", nil},

		"runtime stopped": {[]func(*Join){func(j *Join) {
			j.Machine.Runtime = Runtime{Seen: true, Fault: Fault{"no such file", "systemctl status containerd"}}
		}}, "runtime", []string{"no such file"}},
		"runtime not ready": {[]func(*Join){func(j *Join) {
			j.Machine.Runtime.Ready = false
			j.Machine.Runtime.NotReady, j.Machine.Runtime.Fault.Hint = "no cgroups", "systemctl"
		}}, "runtime", []string{"containerd 2.2 is not ready", "no cgroups"}},
		"kubelet masked":  {[]func(*Join){func(j *Join) { j.Machine.Kubelet.Masked = true }}, "kubelet", []string{"masked"}},
		"kubelet missing": {[]func(*Join){func(j *Join) { j.Machine.Kubelet.Loaded = false }}, "kubelet", []string{"no unit"}},
		"kubelet dies": {[]func(*Join){func(j *Join) {
			j.Machine.Asking = before(time.Minute)
			j.Machine.Kubelet.Failing = Fault{"unknown flag", "journalctl"}
		}}, "kubelet", []string{"unknown flag"}},

		"endpoint unreachable":  {[]func(*Join){answer(Unreachable)}, "endpoint", []string{"as it was seen", "a way on"}},
		"endpoint is another's": {[]func(*Join){answer(NotAPIServer)}, "endpoint", []string{"is no API server"}},
		"no backend":            {[]func(*Join){answer(NoBackend)}, "load-balancer", []string{"takes connections", "no API server answers behind"}},
		"no cluster-info":       {[]func(*Join){answer(NoClusterInfo)}, "cluster-info", nil},
		"untrusted": {[]func(*Join){func(j *Join) {
			j.Endpoint.Untrusted = Fault{"unknown authority", "apiServer.certSANs"}
			j.Access = Access{NotAsked: "it is not trusted"}
		}}, "endpoint", []string{"unknown authority"}},
		"another server": {[]func(*Join){func(j *Join) { j.Endpoint.Other, j.Endpoint.OtherFault = "10.0.0.2:6443", Fault{"refused", "ss"} }}, "endpoint", []string{"names the server 10.0.0.2:6443"}},

		"pin, token right": {[]func(*Join){noAdmin, func(j *Join) {
			j.Trust.WrongPin, j.Trust.Pins = true, []string{"sha256:cc"}
			j.Access = Access{NotAsked: "nothing proves it"}
		}}, "pin", []string{"signed with this very token", "sha256:cc"}},
		"pin, another cluster": {[]func(*Join){stranger, func(j *Join) { j.Trust.WrongPin = true; j.Access = Access{NotAsked: "nothing proves it"} }}, "pin", []string{"another cluster answers"}},

		"certificate in the future": {[]func(*Join){func(j *Join) {
			j.Trust.Clock = Fault{"not valid before tomorrow", "timedatectl"}
			j.Access = Access{NotAsked: "clock"}
		}}, "clock", []string{"not valid before tomorrow; this machine's clock and the API server's are less than two seconds apart"}},
		"clock ahead":  {[]func(*Join){func(j *Join) { j.Trust.Date = before(time.Hour) }}, "clock", []string{"is 1h0m0s ahead of the API server's"}},
		"clock behind": {[]func(*Join){func(j *Join) { j.Trust.Date = now.Add(330 * time.Second) }}, "clock", []string{"is 5m30s behind the API server's"}},

		"token unknown":       {[]func(*Join){stranger}, "token", []string{"the cluster has no token abcdef", "401", "signed for zzzzzz"}},
		"token deleted":       {[]func(*Join){stranger, func(j *Join) { j.Admin = Admin{Token: AdminToken{Seen: true}} }}, "token", []string{"no Secret kube-system/bootstrap-token-abcdef"}},
		"token expired":       {[]func(*Join){stranger, func(j *Join) { j.Admin.Token = AdminToken{Seen: true, Exists: true, Expires: before(time.Minute)} }}, "token", []string{"has expired", "2026-11-27T11:59:00Z, 1m0s ago"}},
		"token just expired":  {[]func(*Join){stranger, func(j *Join) { j.Trust.Signature = Right }}, "token", []string{"cluster-info is signed for it, and the API server answers 401"}},
		"second half":         {[]func(*Join){stranger, func(j *Join) { j.Trust.Signature = Forged }}, "token", []string{"second half of the token is wrong"}},
		"second half, admin":  {[]func(*Join){stranger, func(j *Join) { j.Admin.Token = AdminToken{Seen: true, Exists: true, OtherHalfDiffers: true} }}, "token", []string{"not the one in the Secret"}},
		"not for login":       {[]func(*Join){stranger, func(j *Join) { j.Admin.Token = AdminToken{Seen: true, Exists: true, Usages: []string{"signing"}} }}, "token", []string{"not for authentication", "signing"}},
		"unknown, no pin":     {[]func(*Join){stranger, func(j *Join) { j.Trust.Unpinned = true; j.Access = Access{NotAsked: "unproven"} }}, "token", []string{"signs for other tokens"}},
		"credentials refused": {[]func(*Join){stranger, func(j *Join) { j.Trust = Trust{File: true, Seen: now, Date: now} }}, "token", []string{"does not accept the credentials"}},

		"not signed": {[]func(*Join){noAdmin, func(j *Join) { j.Trust.Signature = Absent }}, "signature", []string{"although the token is alive", "accepts the token; cluster-info is signed for abcdef"}},
		"signer down": {[]func(*Join){func(j *Join) {
			j.Trust.Signature, j.Trust.Signed, j.Admin.Manager.Renewed = Absent, nil, before(time.Minute)
		}, withCertificate}, "signature", []string{"does not run", "cp1_x last renewed the Lease kube-system/kube-controller-manager 1m0s ago"}},
		"not for signing":    {[]func(*Join){func(j *Join) { j.Trust.Signature = Absent; j.Admin.Token.Usages = []string{"authentication"} }}, "signature", []string{"not for signing"}},
		"signed for another": {[]func(*Join){func(j *Join) { j.Trust.Signature = Forged }}, "signature", []string{"an earlier token"}},
		"nothing signed":     {[]func(*Join){noAdmin, func(j *Join) { j.Trust.Signature, j.Trust.Signed, j.Access = Absent, nil, Access{NotAsked: "unproven"} }}, "signature", []string{"not signed for any token"}},
		"configuration":      {[]func(*Join){func(j *Join) { j.Access.Configuration = Fault{"forbidden", "clusteradm init phase upload-config all"} }}, "configuration", []string{"forbidden"}},
		"name taken":         {[]func(*Join){taken}, "name", []string{"the name is taken", "machine ID zz", "10.0.0.7", "this one has aa"}},
		"name of a dead one": {[]func(*Join){taken, func(j *Join) { j.Access.Node.Ready = false }}, "name", []string{"another machine's", "kubectl delete node w1"}},
		"name of a clone":    {[]func(*Join){taken, func(j *Join) { j.Access.Node.MachineID = "aa" }}, "name", []string{"another machine"}},
		"name of its own":    {[]func(*Join){taken, func(j *Join) { j.Access.Node.MachineID, j.Access.Node.SystemUUID = "aa", "BB" }}, "name", []string{"this very machine"}},

		"pending, no approver": {[]func(*Join){pending, noAdmin, func(j *Join) { j.Access.MayApprove = No }}, "certificate", []string{"csr-1 is pending", "1m0s ago, at 2026-11-27T11:59:00Z", "kubeadm:node-autoapprove-bootstrap", "kubectl certificate approve csr-1"}},
		"pending, manager":     {[]func(*Join){pending, func(j *Join) { j.Admin.Manager.Renewed = before(time.Minute) }}, "certificate", []string{"the controller manager, which approves, does not run", "last renewed the Lease"}},
		"pending":              {[]func(*Join){pending, noAdmin}, "certificate", []string{"although it may be approved by itself"}},
		"denied": {[]func(*Join){pending, func(j *Join) {
			j.Access.Requests[0].Decision, j.Access.Requests[0].Reason = Denied, "ByHand: who is that?"
		}}, "certificate", []string{"csr-1 was denied", "who is that?"}},
		"failed":              {[]func(*Join){pending, func(j *Join) { j.Access.Requests[0].Decision = Failed }}, "certificate", []string{"the signer refused it"}},
		"approved, no signer": {[]func(*Join){pending, func(j *Join) { j.Access.Requests[0].Decision = Approved }}, "certificate", []string{"nobody issues the certificate"}},
		"may not ask":         {[]func(*Join){func(j *Join) { j.Access.MayRequest, j.Access.RequestsFault.Text = No, "forbidden" }}, "certificate", []string{"may not create certificate signing requests"}},
		"no approver":         {[]func(*Join){func(j *Join) { j.Access.MayApprove = No }}, "certificate", []string{"nodeclient"}},
		"no manager":          {[]func(*Join){func(j *Join) { j.Admin.Manager.Exists = false }}, "certificate", []string{"no controller manager holds"}},
		"never asked":         {[]func(*Join){pending, func(j *Join) { j.Access.Requests = nil; j.Machine.Kubelet.Words = []string{"E1127 no route"} }}, "certificate", []string{"has not asked", "E1127 no route"}},
		"joined, not Ready": {[]func(*Join){taken, func(j *Join) {
			j.Machine.Joined = true
			j.Access.Node.Ready = false
			j.Access.Node.Message = "cni plugin not initialized"
		}}, "ready", []string{"cni plugin"}},
		"joined, no node": {[]func(*Join){func(j *Join) { j.Machine.Joined = true }}, "ready", nil},
	} {
		t.Run(name, func(t *testing.T) {
			j := well()
			for _, edit := range c.edits {
				edit(&j)
			}
			check(t, j.Run(), c.bad, c.says)
		})
	}
}

// withCertificate leaves the controller manager's other work out.
func withCertificate(j *Join) {
	j.Access.Requests = []Request{{Name: "csr-1", Made: before(time.Minute), Issued: true}}
}

func check(t *testing.T, findings []Finding, bad string, says []string) {
	t.Helper()
	var names []string
	text := ""
	for _, f := range findings {
		if f.Message == "" || f.Verdict == Unknown && (f.Message == "cannot be told: " || !strings.HasPrefix(f.Message, "cannot be told: ")) {
			t.Errorf("a finding that says nothing: %+v", f)
		}
		if f.Verdict != Bad {
			continue
		}
		names = append(names, f.Name)
		text += f.Message + "\n" + f.Proof + "\n" + f.Hint + "\n"
		if f.Hint == "" || f.Proof == "" && f.Name != "kubelet" {
			t.Errorf("without proof or hint: %+v", f)
		}
	}
	if got := strings.Join(names, " "); got != bad {
		t.Errorf("bad are %q, want %q:\n%s", got, bad, text)
	}
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q:\n%s", want, text)
		}
	}
}

func controlPlane(members ...Member) Join {
	j := well()
	j.Node, j.ControlPlane, j.Shared = "cp2", true, Shared{Asked: true}
	j.Etcd = Etcd{Seen: true, Members: append([]Member{{ID: 1, Name: "cp1", PeerURLs: []string{"https://10.0.0.1:2380"}, Answers: true, Index: 1000, Leader: true}}, members...)}
	return j
}

func TestEtcdObstaclesAreNamed(t *testing.T) {
	learner := Member{ID: 2, Name: "cp2", PeerURLs: []string{"https://10.0.0.9:2380"}, Learner: true, Answers: true, Index: 100}
	synced, silent, unborn, other, voter := learner, learner, learner, learner, learner
	synced.Index = 990
	silent.Answers, silent.Fault.Text = false, "connection refused"
	unborn.Name, unborn.Answers = "", false
	other.Name, other.PeerURLs = "cp3", []string{"https://10.0.0.3:2380"}
	nameless := other
	nameless.Name, nameless.Answers = "", false
	voter.Learner = false
	dead := Member{ID: 3, Name: "cp3", PeerURLs: []string{"https://10.0.0.3:2380"}, Fault: Fault{Text: "no route"}}
	turn := Lease{Seen: true, Exists: true, Holder: "cp2", Renewed: before(time.Second)}
	theirs := turn
	theirs.Holder = "cp3"
	stale := Fault{"stale etcd data: /var/lib/etcd is of a member that the cluster does not have", "clusteradm reset   # then join again"}
	for name, c := range map[string]struct {
		members []Member
		edit    func(*Join)
		turn    Lease
		bad     string
		says    []string
	}{
		"nothing":                   {nil, nil, Lease{}, "", nil},
		"learner behind":            {[]Member{learner}, begun, turn, "etcd-learner", []string{"its log is at 100 of the leader's 1000, 900 behind", "its manifest is here since 2026-11-27T11:59:00Z, 1m0s ago", "10.0.0.9:2380"}},
		"learner is silent":         {[]Member{silent}, nil, Lease{}, "etcd-learner", []string{"does not answer: connection refused", "since when is not known"}},
		"learner in sync":           {[]Member{synced}, begun, turn, "", nil},
		"never started":             {[]Member{unborn}, nil, Lease{}, "", nil},
		"does not start":            {[]Member{unborn}, begun, turn, "etcd-learner", []string{"etcd does not start", "1m0s ago"}},
		"another's turn":            {[]Member{nameless}, nil, theirs, "etcd-learner", []string{"another machine, cp3, is joining", "the turn of cp3, which said so 1s ago"}},
		"another's orphan":          {[]Member{nameless}, nil, Lease{}, "", nil},
		"another's learner":         {[]Member{other}, nil, turn, "etcd-learner", []string{"the learner cp3 of another machine", "clusteradm etcd member remove 2"}},
		"stale data":                {nil, func(j *Join) { j.Etcd.Refusal = stale }, Lease{}, "etcd-member", []string{"stale etcd data", "clusteradm reset"}},
		"a dead member":             {[]Member{voter, dead}, func(j *Join) { j.Etcd.Removes = []string{"cp3"} }, Lease{}, "", nil},
		"makes its own certificate": {nil, func(j *Join) { j.Shared.Signs, j.Access.MayApprove, j.Access.MayRequest = true, No, No }, Lease{}, "", nil},
		"nothing shared": {nil, func(j *Join) {
			j.Shared.Fault, j.Etcd = Fault{"the uploaded certificates are not there", "upload-certs"}, Etcd{}
		}, Lease{}, "shared-certificates", []string{"are not there"}},
	} {
		t.Run(name, func(t *testing.T) {
			j := controlPlane(c.members...)
			j.Etcd.Turn = c.turn
			if c.edit != nil {
				c.edit(&j)
			}
			check(t, j.Run(), c.bad, c.says)
		})
	}
	j := controlPlane()
	j.Etcd = Etcd{Fault: Fault{Text: "etcd does not answer"}}
	check(t, j.Run(), "", nil)
	j = controlPlane(voter, dead)
	j.Etcd.Removes = []string{"cp3"}
	if got := j.member(); !strings.Contains(got.Message, "stale members, which a join removes: cp3") || !strings.Contains(got.Proof, "10.0.0.3:2380), which does not answer") {
		t.Errorf("%+v", got)
	}
}

// begun is a machine whose etcd was to start a minute ago.
func begun(j *Join) { j.Machine.EtcdStatic, j.Machine.EtcdSince = true, before(time.Minute) }

// A control plane's kubelet cannot register its node before etcd serves it.
func TestNodeWaitsForItsEtcd(t *testing.T) {
	j := controlPlane(Member{ID: 2, PeerURLs: []string{"https://10.0.0.9:2380"}, Learner: true})
	begun(&j)
	j.Machine.Joined = true
	check(t, j.Run(), "etcd-learner", nil)
	if got := j.Standing(); !strings.Contains(got, "as far as its etcd, which has no vote yet") {
		t.Error(got)
	}
	j.Etcd.Members = j.Etcd.Members[:1]
	if got := j.Standing(); !strings.Contains(got, "etcd does not have its member") {
		t.Error(got)
	}
}

func TestStanding(t *testing.T) {
	for want, edit := range map[string]func(*Machine){
		"nothing of a join":                  func(*Machine) {},
		"has joined; its kubelet":            func(m *Machine) { m.Joined = true },
		"has joined, with an etcd":           func(m *Machine) { m.Joined, m.EtcdStatic = true, true },
		"has asked for its certificate":      func(m *Machine) { m.Asking, m.Kubelet.Active = now, true },
		"and the kubelet does not run":       func(m *Machine) { m.Asking = now },
		"and its kubelet has no certificate": func(m *Machine) { m.EtcdData = true },
	} {
		j := well()
		edit(&j.Machine)
		if got := j.Standing(); !strings.Contains(got, want) {
			t.Errorf("standing is %q, want %q", got, want)
		}
	}
}

// Whatever was not seen cannot be told, and is never bad.
func TestNothingSeenIsNothingBad(t *testing.T) {
	for _, j := range []Join{{Endpoint: Endpoint{Problem: NotAsked, Fault: Fault{Text: "no such file"}}}, {Endpoint: Endpoint{Problem: NotAsked, Fault: Fault{Text: "no such file"}}, ControlPlane: true}} {
		for _, f := range j.Run() {
			if f.Verdict != Unknown {
				t.Errorf("%+v", f)
			}
		}
	}
	names := []string{}
	for _, f := range controlPlane().Run() {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 15 {
		t.Errorf("the rows are %v", names)
	}
	if err := (&FailedError{[]Finding{{Name: "pin"}, {Name: "name"}}}); !strings.HasSuffix(err.Error(), ": pin, name") {
		t.Error(err)
	}
}
