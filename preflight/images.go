package preflight

// PullFailure is an image that is not there and could not be pulled.
type PullFailure struct{ Image, Reason string }

// ImagePull finds the images that could not be pulled. It comes after the other
// checks: pulling is what it looks at. The kubelet will try again, so that it
// may be ignored.
func ImagePull(failed []PullFailure) Check {
	return Check{"ImagePull", func(Subject) []Finding {
		var findings []Finding
		for _, f := range failed {
			findings = append(findings, finding(Error, "clusteradm config images pull", "%s", f.Reason)...)
		}
		return findings
	}}
}
