package phases

import (
	"bytes"
	"testing"
)

// Commented out and brought back, a fstab is as it was.
func FuzzFstab(f *testing.F) {
	f.Add([]byte("UUID=1 / ext4 defaults 0 1\n/swap.img none swap sw 0 0"))
	f.Add([]byte("#clusteradm-fix# /swap.img none swap sw 0 0\n\tLABEL=x none swap\n"))
	f.Fuzz(func(t *testing.T, before []byte) {
		off, lines := swapOff(before)
		if len(lines) == 0 && !bytes.Equal(off, before) {
			t.Fatalf("%q became %q", before, off)
		}
		if _, again := swapOff(off); len(again) > 0 {
			t.Fatalf("still on: %q", again)
		}
		back, lost := swapOn(off, lines)
		// A line that was commented out before --fix by its own mark comes back
		// only if its like was recorded too.
		if len(lost) > 0 || !bytes.Contains(before, []byte(fstabMark)) && !bytes.Equal(back, before) {
			t.Fatalf("%q became %q, lost %q", before, back, lost)
		}
	})
}
