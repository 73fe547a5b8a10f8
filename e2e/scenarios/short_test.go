//go:build e2e && !soak

package scenarios

// soak is off: three seeded kills a list.
const (
	soak  = false
	kills = 3
)
