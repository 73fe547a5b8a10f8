//go:build e2e && !soak

package scenarios

// soak is off: three seeded kills a list, two rounds of init and reset, and of
// joins at one moment three.
const (
	soak   = false
	kills  = 3
	rounds = 2
)

var together = [][]string{{"cp1", "cp2", "cp3", "cp4"}}
