package preflight

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/pki"
)

// ahead is how far into the future a thing may be without a clock being wrong.
const ahead = time.Minute

// clock finds certificates that are not valid yet, and files that were changed
// in the future: then this machine's clock is behind, or was ahead before.
func clock() Check {
	return Check{"Clock", func(s Subject) []Finding {
		if s.Now.IsZero() {
			return nil
		}
		var findings []Finding
		for _, path := range slices.Sorted(maps.Keys(s.Facts.PKI)) {
			begins, ok := pki.NotBefore(s.Facts.PKI[path].Reveal())
			if ok && begins.After(s.Now.Add(ahead)) {
				findings = append(findings, finding(Error, "timedatectl",
					"the certificate in %s is valid from %s on, and it is %s: the clock is wrong, or was when it was made", path, stamp(begins), stamp(s.Now))...)
			}
		}
		for _, path := range slices.Sorted(maps.Keys(s.Facts.Files)) {
			if f := s.Facts.Files[path]; strings.HasPrefix(path, cluster.KubernetesDir) && f.Changed.After(s.Now.Add(ahead)) {
				findings = append(findings, finding(Warning, "timedatectl", "%s was changed at %s, and it is %s: the clock is wrong, or was", path, stamp(f.Changed), stamp(s.Now))...)
			}
		}
		return findings
	}}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func timeSync() Check {
	return Check{"TimeSync", func(s Subject) []Finding {
		if s.Facts.Machine.ClockSync != cluster.No {
			return nil
		}
		return finding(Warning, "timedatectl set-ntp true   # or: systemctl enable --now chronyd", "nothing keeps this machine's clock in time; certificates and tokens depend on it")
	}}
}
