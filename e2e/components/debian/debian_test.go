package debian

import "testing"

func TestUpstream(t *testing.T) {
	for version, want := range map[string]string{
		"1:2.2.7-1+b2": "2.2.7", "2.6.12-1+deb12u3": "2.6.12", "5.9.3+dfsg-2": "5.9.3+dfsg", "1.2-3-4": "1.2-3", "7": "7", "": "",
	} {
		if got := Upstream(version); got != want {
			t.Errorf("upstream of %q is %q, want %q", version, got, want)
		}
	}
}
