// Package diagnosis says of a join, from what was looked at, which of the known
// obstacles is in its way and by what that is proved. It is pure: it looks at
// nothing itself, changes nothing, and says that something cannot be told
// rather than guess.
//
// What only follows from another obstacle is not bad as well: it cannot be told.
package diagnosis

import (
	"fmt"
	"strings"
	"time"
)

// Verdict is what is known of one obstacle.
type Verdict string

// The verdicts. Unknown is a look that was not possible, with the reason in
// the message.
const (
	OK      Verdict = "ok"
	Bad     Verdict = "bad"
	Unknown Verdict = "unknown"
)

// Finding is one row of a diagnosis. Names are public.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Message string  `json:"message"`
	Proof   string  `json:"proof,omitempty"` // what was seen
	Hint    string  `json:"hint,omitempty"`  // a command that mends it, or shows more
}

// Fault is an error as it is told.
type Fault struct{ Text, Hint string }

// Join is what was seen around a machine that is to join, or half has.
type Join struct {
	Now          time.Time
	Node         string
	ControlPlane bool
	Endpoint     Endpoint
	Trust        Trust
	Access       Access
	Admin        Admin
	Machine      Machine
	Shared       Shared
	Etcd         Etcd
}

// Run gives a finding for each obstacle, in the order in which a join meets
// them.
func (j Join) Run() []Finding {
	rows := []Finding{j.runtime(), j.kubelet(), j.endpoint(), j.loadBalancer(), j.clusterInfo(), j.pin(), j.clock(), j.signature(), j.token(), j.configuration(), j.name(), j.certificate()}
	if j.Machine.Joined {
		rows = append(rows, j.ready())
	}
	if j.ControlPlane {
		rows = append(rows, j.shared(), j.member(), j.learner())
	}
	return rows
}

// Wrong are the bad ones of findings.
func Wrong(findings []Finding) []Finding {
	var bad []Finding
	for _, f := range findings {
		if f.Verdict == Bad {
			bad = append(bad, f)
		}
	}
	return bad
}

// FailedError reports a join that would not work.
type FailedError struct{ Findings []Finding }

func (e *FailedError) Error() string {
	var names []string
	for _, f := range e.Findings {
		names = append(names, f.Name)
	}
	return "diagnose join: it does not work: " + strings.Join(names, ", ")
}

func ok(name, format string, args ...any) Finding {
	return Finding{Name: name, Verdict: OK, Message: fmt.Sprintf(format, args...)}
}

func bad(name, format string, args ...any) Finding {
	return Finding{Name: name, Verdict: Bad, Message: fmt.Sprintf(format, args...)}
}

func unknown(name, format string, args ...any) Finding {
	return Finding{Name: name, Verdict: Unknown, Message: "cannot be told: " + fmt.Sprintf(format, args...)}
}

func (f Finding) proof(format string, args ...any) Finding {
	f.Proof = fmt.Sprintf(format, args...)
	return f
}

func (f Finding) hint(hint string) Finding {
	f.Hint = hint
	return f
}

// ago is how long something has been so, in words.
func ago(now, then time.Time) string { return max(now.Sub(then), 0).Round(time.Second).String() }

const newToken = "on a control plane run: clusteradm token create --print-join-command"
