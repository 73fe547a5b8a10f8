//go:build e2e && !soak

package scenarios

// soak is off: three seeded kills a list, two rounds of init and reset.
const (
	soak   = false
	kills  = 3
	rounds = 2
)
