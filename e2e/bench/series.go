package main

import (
	"fmt"
	"slices"
)

// Series is what one tool showed in all runs of one measurement.
type Series struct {
	Samples  []float64 `json:"samples"`
	Failures []string  `json:"failures,omitempty"` // a run that went wrong is no sample
}

func (s *Series) add(value float64, err error) {
	if err != nil {
		s.Failures = append(s.Failures, err.Error())
		return
	}
	s.Samples = append(s.Samples, value)
}

// median is the middle sample, or the mean of the two in the middle.
func (s *Series) median() (float64, bool) {
	if len(s.Samples) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(s.Samples))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half], true
	}
	return (sorted[half-1] + sorted[half]) / 2, true
}

// text is "median [min..max]", with the failures if there were any.
func (s *Series) text(unit string) string {
	text := "-"
	if median, ok := s.median(); ok {
		text = number(median, unit) + " " + unit
		if len(s.Samples) > 1 {
			text += " [" + number(slices.Min(s.Samples), unit) + ".." + number(slices.Max(s.Samples), unit) + "]"
		}
	}
	if n := len(s.Failures); n > 0 {
		text += fmt.Sprintf(" (%d of %d failed)", n, n+len(s.Samples))
	}
	return text
}

func number(value float64, unit string) string {
	if unit == "s" {
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.1f", value)
}

// Pair is a measurement of both tools.
type Pair struct {
	Clusteradm Series `json:"clusteradm"`
	Kubeadm    Series `json:"kubeadm"`
}

func (p *Pair) of(t tool) *Series {
	if t.kubeadm {
		return &p.Kubeadm
	}
	return &p.Clusteradm
}

// ratio says how many times kubeadm's median is clusteradm's.
func (p *Pair) ratio() (float64, bool) {
	ours, ok1 := p.Clusteradm.median()
	theirs, ok2 := p.Kubeadm.median()
	if !ok1 || !ok2 || ours == 0 {
		return 0, false
	}
	return theirs / ours, true
}
