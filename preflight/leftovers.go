package preflight

import "strings"

// leftovers tells what an earlier cluster left and no other check stops for:
// each alone is harmless or not, all together are hard to find later.
func leftovers() Check {
	return Check{"Leftovers", func(s Subject) []Finding {
		if s.Ours {
			return nil
		}
		var findings []Finding
		var pods []string
		for _, l := range s.Facts.Machine.Leftovers {
			if l.Pod {
				pods = append(pods, l.What)
				continue
			}
			findings = append(findings, finding(Warning, "clusteradm reset", "an earlier cluster left %s", l.What)...)
		}
		if n := len(pods); n > 0 {
			shown := strings.Join(pods[:min(n, 3)], ", ")
			findings = append(findings, finding(Warning, "clusteradm reset", "an earlier cluster left %d pods in the container runtime, such as %s", n, shown)...)
		}
		return findings
	}}
}
