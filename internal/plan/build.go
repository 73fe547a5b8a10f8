package plan

import (
	"fmt"
	"slices"
	"strings"
)

// PlannedStep is a step at its place, with its ID "phase/step@host".
type PlannedStep struct {
	ID    string
	Phase string
	Step
}

// PlannedGroup is a group at its place.
type PlannedGroup struct {
	Phase  string
	Mode   Mode
	TryAll bool
	Steps  []PlannedStep
}

// Plan is a list of phases made concrete for one Input.
type Plan struct {
	Name   string // of the list: "init", "join"
	Phases []string
	Groups []PlannedGroup
}

// Build asks every phase of the list that is not skipped for its groups. Skip
// holds names of phases or "parent/sub"; an unknown name is an error.
func Build(name string, phases []Phase, in Input, skip []string) (*Plan, error) {
	p := &Plan{Name: name}
	known := map[string]bool{}
	if err := p.add("", phases, in, skip, known); err != nil {
		return nil, err
	}
	for _, s := range skip {
		if !known[s] {
			return nil, fmt.Errorf("skip phase %q: %s has no such phase", s, name)
		}
	}
	return p, p.check()
}

func (p *Plan) add(parent string, phases []Phase, in Input, skip []string, known map[string]bool) error {
	for _, phase := range phases {
		full := phase.Name
		if parent != "" {
			full = parent + "/" + phase.Name
		}
		known[full] = true
		if slices.Contains(skip, full) {
			markKnown(full, phase.Sub, known)
			continue
		}
		if phase.Plan != nil {
			p.Phases = append(p.Phases, full)
			groups, err := phase.Plan(in)
			if err != nil {
				return fmt.Errorf("plan phase %s: %w", full, err)
			}
			for _, g := range groups {
				pg := PlannedGroup{Phase: full, Mode: g.Mode, TryAll: g.TryAll}
				for _, s := range g.Steps {
					pg.Steps = append(pg.Steps, PlannedStep{ID: stepID(full, s), Phase: full, Step: s})
				}
				p.Groups = append(p.Groups, pg)
			}
		}
		if err := p.add(full, phase.Sub, in, skip, known); err != nil {
			return err
		}
	}
	return nil
}

func markKnown(parent string, phases []Phase, known map[string]bool) {
	for _, phase := range phases {
		full := parent + "/" + phase.Name
		known[full] = true
		markKnown(full, phase.Sub, known)
	}
}

func stepID(phase string, s Step) string {
	id := phase + "/" + s.Name
	if s.Host != "" {
		id += "@" + s.Host
	}
	return id
}

// check refuses a plan in which two steps have one ID or one thing two owners.
func (p *Plan) check() error {
	ids, keys := map[string]bool{}, map[string]string{}
	for _, g := range p.Groups {
		for _, s := range g.Steps {
			if ids[s.ID] {
				return fmt.Errorf("plan %s: two steps are called %s", p.Name, s.ID)
			}
			ids[s.ID] = true
			key := s.Host + " " + s.Effect.Key()
			if other, ok := keys[key]; ok {
				return fmt.Errorf("plan %s: %s has two owners, %s and %s", p.Name, strings.TrimSpace(key), other, s.ID)
			}
			keys[key] = s.ID
		}
	}
	return nil
}
