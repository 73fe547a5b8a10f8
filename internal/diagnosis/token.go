package diagnosis

import (
	"slices"
	"strings"
	"time"
)

// Tristate is a yes or no that may be unknown.
type Tristate string

// The values. The zero value is unknown.
const (
	Yes Tristate = "yes"
	No  Tristate = "no"
)

// Access is what the cluster lets the joining node see and do, asked with its
// own credentials.
type Access struct {
	// Authenticated says whether the API server takes the credentials; NotAsked
	// says why that was not tried.
	Authenticated Tristate
	NotAsked      string
	Fault         Fault    // what the API server answered, if nothing was to be had
	MayRequest    Tristate // to ask for a kubelet's certificate
	MayApprove    Tristate // to have it approved by itself
	Configuration Fault    // why it cannot be read
	Node          Node
	Requests      []Request
	RequestsFault Fault
}

// Admin is what an administrator sees. The zero value is that nobody asked.
type Admin struct {
	Asked   bool
	Fault   Fault // why it could not be asked
	Token   AdminToken
	Manager Lease // of the controller manager
}

// AdminToken is the token's Secret.
type AdminToken struct {
	Seen, Exists     bool
	Expires          time.Time // zero: never
	Usages           []string
	OtherHalfDiffers bool
}

// Lease is who holds a Lease of kube-system.
type Lease struct {
	Seen, Exists bool
	Holder       string
	Renewed      time.Time
}

// managerGone is after how long without a renewal the controller manager's
// Lease has run out: it renews every two seconds.
const managerGone = 20 * time.Second

func (l Lease) stale(now time.Time) bool {
	return l.Seen && (!l.Exists || now.Sub(l.Renewed) > managerGone)
}

// managerProof says what the Lease shows.
func (l Lease) managerProof(now time.Time) string {
	if !l.Exists || l.Holder == "" {
		return "no controller manager holds the Lease kube-system/kube-controller-manager"
	}
	return l.Holder + " last renewed the Lease kube-system/kube-controller-manager " + ago(now, l.Renewed) + " ago"
}

const seeManager = "kubectl -n kube-system get pods -l component=kube-controller-manager; on the control plane: crictl ps -a --name kube-controller-manager"

// tokenGone says, from all that was seen, that the token is no token (any
// more), and why; empty where it is, or it cannot be told.
func (j Join) tokenGone() (message, proof string) {
	id, admin := j.Trust.TokenID, j.Admin.Token
	switch {
	case id == "":
		return "", ""
	case admin.Seen && !admin.Exists:
		return "the cluster has no token " + id + ": it has expired, was deleted, or never was", "there is no Secret kube-system/bootstrap-token-" + id
	case admin.Seen && !admin.Expires.IsZero() && !j.Now.Before(admin.Expires):
		return "token " + id + " has expired", "it was good until " + admin.Expires.UTC().Format(time.RFC3339) + ", " + ago(j.Now, admin.Expires) + " ago"
	case admin.OtherHalfDiffers:
		return "the second half of the token is wrong", "it is not the one in the Secret kube-system/bootstrap-token-" + id
	case admin.Seen && !slices.Contains(admin.Usages, "authentication"):
		return "token " + id + " is not for authentication", "its usages are " + orNone(admin.Usages)
	case j.Trust.Signature == Forged && j.Access.Authenticated != Yes:
		return "the second half of the token is wrong, or something answers in place of the API server", "the signature for " + id + " in cluster-info does not match it"
	case j.Access.Authenticated == No && j.Trust.Signature == Right:
		return "the cluster does not accept token " + id + " (any more): it has expired or was deleted a moment ago, or is not for authentication",
			"cluster-info is signed for it, and the API server answers 401 to it"
	case j.Access.Authenticated == No:
		return "the cluster has no token " + id + ": it has expired, was deleted, or never was", "the API server answers 401 to it; " + j.Trust.signedFor()
	case j.Access.Authenticated == "" && j.Trust.Unpinned && j.Endpoint.answered() && j.Trust.Signature == Absent && len(j.Trust.Signed) > 0:
		return "the cluster signs for other tokens than " + id + ": it has expired, was deleted, or never was", j.Trust.signedFor()
	}
	return "", ""
}

func (t Trust) signedFor() string {
	if len(t.Signed) == 0 {
		return "cluster-info has no signature of any token"
	}
	return "cluster-info is signed for " + strings.Join(t.Signed, ", ")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func (j Join) token() Finding {
	const name = "token"
	gone, proof := j.tokenGone()
	id := j.Trust.TokenID
	switch {
	case gone != "":
		return bad(name, "%s", gone).proof("%s", proof).hint(newToken)
	case id == "" && j.Access.Authenticated == No:
		return bad(name, "the cluster does not accept the credentials that this machine was given").
			proof("%s", j.Access.Fault.Text).hint("use a token instead; " + newToken)
	case id == "" && j.Access.Authenticated == Yes:
		return ok(name, "is not needed: the cluster accepts the credentials of a kubeconfig")
	case j.Access.Authenticated == Yes:
		return ok(name, "the cluster accepts token %s", id)
	case j.Trust.Signature == Right:
		return ok(name, "cluster-info is signed with token %s", id).proof("not tried to log in with: %s", j.notAsked())
	}
	return unknown(name, "%s", j.notAsked())
}

// notAsked is why the API server was not asked with the credentials.
func (j Join) notAsked() string {
	switch {
	case !j.Endpoint.answered():
		return j.Endpoint.why()
	case j.Access.NotAsked != "":
		return j.Access.NotAsked
	case j.Access.Fault.Text != "":
		return j.Access.Fault.Text
	}
	return "it was not tried"
}

func (j Join) signature() Finding {
	const name = "signature"
	t := j.Trust
	gone, _ := j.tokenGone()
	switch {
	case t.File:
		return ok(name, "is not needed: a kubeconfig is believed as it is")
	case !j.Endpoint.answered():
		return unknown(name, "%s", j.Endpoint.why())
	case t.Signature == Forged && j.Access.Authenticated == Yes:
		return bad(name, "cluster-info is signed with an earlier token %s, although this one is alive: the controller manager, which signs, does not run", t.TokenID).
			proof("the API server accepts the token, and the signature for its id is not made with it").hint(seeManager)
	case t.Signature != Absent:
		return ok(name, "cluster-info has a signature for token %s", t.TokenID)
	case gone != "":
		return unknown(name, "there is none, as is right for a token that the cluster does not have")
	case j.Access.Authenticated == Yes && j.Admin.Token.Seen && !slices.Contains(j.Admin.Token.Usages, "signing"):
		return bad(name, "cluster-info is not signed for token %s, which is not for signing", t.TokenID).
			proof("its usages are %s", orNone(j.Admin.Token.Usages)).hint(newToken)
	case j.Access.Authenticated == Yes && j.Admin.Manager.stale(j.Now):
		return bad(name, "cluster-info is not signed for token %s, because the controller manager, which signs, does not run", t.TokenID).
			proof("the API server accepts the token; %s; %s", t.signedFor(), j.Admin.Manager.managerProof(j.Now)).hint(seeManager)
	case j.Access.Authenticated == Yes:
		return bad(name, "cluster-info is not signed for token %s, although the token is alive: the controller manager, which signs, does not run, or the token is not for signing", t.TokenID).
			proof("the API server accepts the token; %s", t.signedFor()).hint(seeManager)
	case len(t.Signed) == 0 && !t.WrongPin:
		return bad(name, "cluster-info is not signed for any token: all have expired, or the controller manager, which signs, does not run").
			proof("%s; %s", t.signedFor(), j.notAsked()).hint(newToken)
	}
	return unknown(name, "there is none for token %s, and whether the cluster has the token is not known: %s", t.TokenID, j.notAsked())
}
