package initcmd

import (
	"strings"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// reconfigures reports a plan that would give a control plane that runs other
// settings, and do nothing else. An interrupted init has something left to
// make or to start, a damaged one something to mend; the labels and taints of
// the Node may be all that either lacks, a token goes by itself, a day after it
// was made, and shared certificates after two hours.
func reconfigures(changes []engine.StepChange) bool {
	settings := false
	for _, c := range changes {
		if strings.HasPrefix(c.Step, "bootstrap-token/token-") || c.Phase == "upload-certs" {
			continue
		}
		switch c.Change.Verb {
		case plan.None:
		case plan.Update:
			settings = settings || c.Phase != "mark-control-plane"
		default:
			return false
		}
	}
	return settings
}
