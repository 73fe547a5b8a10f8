package procfs

import (
	"slices"
	"testing"
)

func TestSwaps(t *testing.T) {
	const header = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for in, want := range map[string][]Swap{
		"": nil, header: nil,
		header + "/swap.img  file 4194300 0 -2\n/dev/zram0 partition 1 0 100\n": {{"/swap.img", -2}, {"/dev/zram0", 100}},
		header + "/a\\040b\\ file 1\n/c file 1 2 x\n":                          {{"/a b\\", 0}, {"/c", 0}},
	} {
		if got := Swaps(in); !slices.Equal(got, want) {
			t.Errorf("swaps of %q are %v, want %v", in, got, want)
		}
	}
}
