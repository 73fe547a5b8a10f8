package procfs

import (
	"strings"
	"testing"
)

func FuzzSwaps(f *testing.F) {
	f.Add("Filename\tType\tSize\tUsed\tPriority\n/a\\040b file 1 0 -2\n")
	f.Add("x\n\\\n\\777 a b c d")
	f.Fuzz(func(t *testing.T, s string) {
		for _, swap := range Swaps(s) {
			if swap.Device == "" {
				t.Errorf("a swap without a device in %q", s)
			}
		}
	})
}

func FuzzProperties(f *testing.F) {
	f.Add("Id=a.swap\nWhat=/dev/a=b\n\n=x\n")
	f.Fuzz(func(t *testing.T, s string) {
		for name := range Properties(s) {
			if strings.ContainsAny(name, "=\n") {
				t.Errorf("name %q", name)
			}
		}
	})
}
