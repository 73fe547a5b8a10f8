package initcmd

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
)

func TestReconfigures(t *testing.T) {
	change := func(phase string, verb plan.Verb) engine.StepChange {
		return engine.StepChange{Phase: phase, Change: plan.Change{Verb: verb}}
	}
	manifest, waits := change("control-plane/apiserver", plan.Update), change("wait-control-plane", plan.None)
	node := change("mark-control-plane", plan.Update)
	token := engine.StepChange{Phase: "bootstrap-token", Step: "bootstrap-token/token-abcdef", Change: plan.Change{Verb: plan.Create}}
	shared := change("upload-certs", plan.Update)
	expired := token
	expired.Change.Verb = plan.Update
	for name, c := range map[string]struct {
		changes []engine.StepChange
		want    bool
	}{
		"nothing":                        {nil, false},
		"only to wait for":               {[]engine.StepChange{waits}, false},
		"another argument":               {[]engine.StepChange{manifest, waits}, true},
		"and a label":                    {[]engine.StepChange{manifest, node}, true},
		"only a label":                   {[]engine.StepChange{node}, false},
		"and the token has expired":      {[]engine.StepChange{manifest, token}, true},
		"only the token has expired":     {[]engine.StepChange{token}, false},
		"a token of that id has expired": {[]engine.StepChange{expired}, false},
		"only shared anew":               {[]engine.StepChange{shared}, false},
		"and shared anew":                {[]engine.StepChange{manifest, shared}, true},
		"an object is missing":           {[]engine.StepChange{manifest, change("addon/coredns", plan.Create)}, false},
		"the kubelet is not running":     {[]engine.StepChange{manifest, change("kubelet-start", plan.Start)}, false},
		"the API server does not answer": {[]engine.StepChange{manifest, change("addon/coredns", plan.Unknown)}, false},
	} {
		if got := reconfigures(c.changes); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}
