package tokencmd

import (
	"encoding/json"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/engine"
	"github.com/clusteradm/clusteradm/internal/plan"
)

// change is what would be done, by the name of its step.
type change struct {
	step string
	plan.Change
}

// show prints what would be changed, as a dry run of a plan does.
func show(s *session.Session, list string, changes []change) error {
	if s.Format == "json" {
		var steps []engine.StepChange
		for _, c := range changes {
			steps = append(steps, engine.StepChange{Step: c.step, Phase: list, Change: c.Change})
		}
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind    string              `json:"kind"`
			List    string              `json:"list"`
			Changes []engine.StepChange `json:"changes"`
		}{"plan", list, steps})
	}
	for _, c := range changes {
		fmt.Fprintf(s.Streams.Out, "%-8s %s\n", c.Verb, c.Summary)
	}
	_, err := fmt.Fprintf(s.Streams.Out, "%s: %d changes; nothing was changed\n", list, len(changes))
	return err
}
