//go:build e2e && soak

package scenarios

// soak is on: every kill that is claimed, and the proof is written.
const (
	soak   = true
	kills  = 20
	rounds = 10
)

var together = [][]string{{"cp1", "cp2", "cp3"}, {"cp1", "cp2", "cp3", "cp4"}}
