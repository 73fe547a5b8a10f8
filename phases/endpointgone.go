package phases

import (
	"time"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
)

// keepalivedGrace is for keepalived to give its address up and say so: one that
// is killed leaves the address on the machine, and two machines have it.
const keepalivedGrace = 5 * time.Second

// endpointStopped ends what of the endpoint has to be ended with care. The
// kubelet does not run any more.
func endpointStopped(in plan.Input) []plan.Step {
	h := in.Node.Host
	steps := []plan.Step{gone(in, "endpoint-unit", effect.Stopped{Host: h, Name: manifests.FollowUnit})}
	if in.Reset.Remains.Runtime == "" {
		steps = append(steps, gone(in, "virtual-ip", effect.PodGone{Host: h, Name: manifests.KeepalivedName, Grace: keepalivedGrace}))
	}
	return steps
}

// endpointRemains is what init and join write for the endpoint, but for its
// manifests.
func endpointRemains(in plan.Input) []plan.Step {
	h := in.Node.Host
	return []plan.Step{
		gone(in, "endpoint-unit-wanted", effect.Tree{Host: h, Path: followUnitLink}),
		gone(in, "endpoint-unit-file", effect.Tree{Host: h, Path: manifests.FollowUnitFile}),
		gone(in, "haproxy-sockets", effect.Tree{Host: h, Path: manifests.HAProxyRunDir}),
		gone(in, "haproxy", effect.Tree{Host: h, Path: manifests.HAProxyDir}),
		gone(in, "keepalived", effect.Tree{Host: h, Path: manifests.KeepalivedDir}),
		gone(in, "empty-clusteradm", effect.Tree{Host: h, Path: "/etc/clusteradm", Names: []string{}}),
	}
}
