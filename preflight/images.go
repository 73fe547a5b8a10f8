package preflight

import "github.com/clusteradm/clusteradm/manifests"

// PullFailure is an image that is not there and could not be pulled.
type PullFailure struct{ Image, Reason string }

// ImagePull finds the images that could not be pulled. It comes after the other
// checks: pulling is what it looks at. The kubelet will try again, so that it
// may be ignored.
//
// A runtime that starts pods with another pause image than the one that was
// pulled needs that one too: on a machine without a registry no pod starts.
func ImagePull(failed []PullFailure) Check {
	return Check{"ImagePull", func(s Subject) []Finding {
		var findings []Finding
		for _, f := range failed {
			findings = append(findings, finding(Error, "clusteradm config images pull", "%s", f.Reason)...)
		}
		return append(findings, sandboxImage(s)...)
	}}
}

func sandboxImage(s Subject) []Finding {
	have := s.Facts.Runtime.SandboxImage
	if s.Cluster == nil || have == "" || !s.Node.ControlPlane {
		return nil
	}
	images, err := manifests.Images(s.Cluster)
	if err != nil || have == images.Pause {
		return nil // an unknown version is found elsewhere
	}
	return finding(Warning, "crictl info | grep sandboxImage", "the container runtime starts pods with %s; set it to %s in the runtime's configuration", have, images.Pause)
}
