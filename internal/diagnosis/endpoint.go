package diagnosis

import (
	"strings"
	"time"
)

// Problem is what kept an endpoint from showing its cluster-info.
type Problem string

// The problems. The zero value is none.
const (
	NotAsked      Problem = "not asked"
	Unreachable   Problem = "unreachable"
	NoBackend     Problem = "no backend"
	NotAPIServer  Problem = "no API server"
	NoClusterInfo Problem = "no cluster-info" // not readable, or not what it should be
)

// Endpoint is what a look at the endpoint showed.
type Endpoint struct {
	Address string
	Problem Problem
	Fault   Fault // of the problem, or why it was not asked
	Took    time.Duration
	// Untrusted is what is wrong with the server's certificate.
	Untrusted Fault
	// Other is the server that the cluster names instead, and why it cannot be
	// reached, if it cannot.
	Other      string
	OtherFault Fault
}

// answered reports that an API server gave its cluster-info.
func (e Endpoint) answered() bool { return e.Problem == "" }

// why says what must be mended before the rest can be told.
func (e Endpoint) why() string {
	switch e.Problem {
	case NotAsked:
		return e.Fault.Text
	case NoBackend, NotAPIServer:
		return "no API server answers at " + e.Address
	case NoClusterInfo:
		return "cluster-info is not readable"
	}
	return e.Address + " is not reachable"
}

func (j Join) endpoint() Finding {
	const name = "endpoint"
	e := j.Endpoint
	switch {
	case e.Problem == NotAsked:
		return unknown(name, "%s", e.Fault.Text).hint(e.Fault.Hint)
	case e.Problem == Unreachable:
		return bad(name, "%s is not reachable", e.Address).proof("%s", e.Fault.Text).hint(e.Fault.Hint)
	case e.Problem == NotAPIServer:
		return bad(name, "what answers at %s is no API server", e.Address).proof("%s", e.Fault.Text).hint(e.Fault.Hint)
	case e.Problem == NoBackend:
		return ok(name, "%s takes connections", e.Address)
	case e.Untrusted.Text != "":
		return bad(name, "the server at %s is not this cluster's, or not under this name", e.Address).proof("%s", e.Untrusted.Text).hint(e.Untrusted.Hint)
	case e.OtherFault.Text != "":
		return bad(name, "%s answers, and the cluster names the server %s, which cannot be used from here", e.Address, e.Other).
			proof("%s", e.OtherFault.Text).hint(e.OtherFault.Hint)
	}
	return ok(name, "%s answers", e.Address).proof("in %s", e.Took.Round(time.Millisecond))
}

func (j Join) loadBalancer() Finding {
	const name = "load-balancer"
	e := j.Endpoint
	switch e.Problem {
	case NotAsked, Unreachable, NotAPIServer:
		return unknown(name, "%s", e.why())
	case NoBackend:
		return bad(name, "something takes connections at %s, and no API server answers behind it", e.Address).proof("%s", e.Fault.Text).hint(e.Fault.Hint)
	}
	return ok(name, "an API server answers at %s", e.Address)
}

func (j Join) clusterInfo() Finding {
	const name = "cluster-info"
	e := j.Endpoint
	switch {
	case e.Problem == NoClusterInfo:
		return bad(name, "the API server does not show what joining nodes begin with").proof("%s", e.Fault.Text).hint(e.Fault.Hint)
	case !e.answered():
		return unknown(name, "%s", e.why())
	case j.Trust.File:
		return ok(name, "is not needed: a kubeconfig says what it would")
	}
	return ok(name, "is readable")
}

// Trust is what speaks for the cluster.
type Trust struct {
	// File: it was handed over, and needs neither token nor pin.
	File bool
	// Unpinned: the pin is not to be checked.
	Unpinned  bool
	WrongPin  bool
	Pins      []string // of the authorities that the cluster names
	TokenID   string   // empty: there is no token
	Signature Signature
	Signed    []string // the ids of the tokens that it is signed for
	// Seen is when it was looked at by this machine's clock, and Date what the
	// API server's said; zero: it does not say.
	Seen, Date time.Time
	Clock      Fault // a certificate that is not valid at this machine's time
}

// Signature is what cluster-info has for the token.
type Signature string

// The values.
const (
	Absent Signature = "absent"
	Forged Signature = "wrong"
	Right  Signature = "right"
)

func (j Join) pin() Finding {
	const name = "pin"
	t := j.Trust
	switch {
	case t.File:
		return ok(name, "is not needed: a kubeconfig has the certificate authority")
	case !j.Endpoint.answered():
		return unknown(name, "%s", j.Endpoint.why())
	case t.WrongPin && t.Signature == Right:
		return bad(name, "the pin is of another certificate authority than the cluster's; the cluster is the token's own").
			proof("cluster-info is signed with this very token, and its authority has %s", strings.Join(t.Pins, ", ")).hint(newToken)
	case t.WrongPin:
		return bad(name, "another cluster answers than the pinned one, or one that was made anew").
			proof("its certificate authority has %s", strings.Join(t.Pins, ", ")).hint(newToken)
	case t.Unpinned:
		return unknown(name, "the certificate authority is not to be checked")
	}
	return ok(name, "the cluster's certificate authority is a pinned one")
}

// mostSkew is what certificates are given back in time: with more, one that is
// made now is not valid yet, or long expired, on this machine.
const mostSkew = 5 * time.Minute

func (j Join) clock() Finding {
	const name = "clock"
	t := j.Trust
	skew, told := t.Seen.Sub(t.Date), !t.Date.IsZero()
	apart := "this machine's clock and the API server's are less than two seconds apart"
	if seconds := skew.Abs().Round(time.Second); seconds >= 2*time.Second { // the server tells whole ones
		word := "ahead of"
		if skew < 0 {
			word = "behind"
		}
		apart = "this machine's clock is " + seconds.String() + " " + word + " the API server's"
	}
	switch {
	case t.Clock.Text != "" && told:
		return bad(name, "a certificate is not valid at this machine's time").proof("%s; %s", t.Clock.Text, apart).hint(t.Clock.Hint)
	case t.Clock.Text != "":
		return bad(name, "a certificate is not valid at this machine's time").proof("%s", t.Clock.Text).hint(t.Clock.Hint)
	case !j.Endpoint.answered() && !told:
		return unknown(name, "%s", j.Endpoint.why())
	case !told:
		return unknown(name, "the API server does not say what time it is")
	case skew.Abs() > mostSkew:
		return bad(name, "the clocks of this machine and of the API server are apart by more than certificates allow for").
			proof("%s", apart).hint("timedatectl; chronyc makestep")
	}
	return ok(name, "certificates are valid at this machine's time").proof("%s", apart)
}
