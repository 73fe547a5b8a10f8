package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		samples []float64
		want    float64
		ok      bool
	}{
		{nil, 0, false},
		{[]float64{3}, 3, true},
		{[]float64{9, 1, 5}, 5, true},
		{[]float64{4, 1, 2, 100}, 3, true},
	} {
		before := slices.Clone(c.samples)
		got, ok := (&Series{Samples: c.samples}).median()
		if got != c.want || ok != c.ok {
			t.Errorf("median of %v: %v, %v", c.samples, got, ok)
		}
		if !slices.Equal(before, c.samples) {
			t.Errorf("the samples were reordered: %v", c.samples)
		}
	}
}

func TestSeriesText(t *testing.T) {
	var s Series
	if got := s.text("s"); got != "-" {
		t.Errorf("nothing measured: %q", got)
	}
	s.add(1.5, nil)
	if got := s.text("s"); got != "1.50 s" {
		t.Errorf("one sample: %q", got)
	}
	s.add(2.5, nil)
	s.add(99, errors.New("timed out"))
	if got := s.text("s"); got != "2.00 s [1.50..2.50] (1 of 3 failed)" {
		t.Errorf("two samples and a failure: %q", got)
	}
	if got := s.text("ms"); got != "2.0 ms [1.5..2.5] (1 of 3 failed)" {
		t.Errorf("milliseconds: %q", got)
	}
}

func TestRatio(t *testing.T) {
	p := Pair{Clusteradm: Series{Samples: []float64{2}}, Kubeadm: Series{Samples: []float64{5}}}
	if x, ok := p.ratio(); !ok || x != 2.5 {
		t.Errorf("ratio: %v, %v", x, ok)
	}
	for _, p := range []Pair{{}, {Clusteradm: p.Clusteradm}, {Kubeadm: p.Kubeadm}, {Clusteradm: Series{Samples: []float64{0}}, Kubeadm: p.Kubeadm}} {
		if x, ok := p.ratio(); ok {
			t.Errorf("ratio of %+v: %v", p, x)
		}
	}
}

func TestInterleave(t *testing.T) {
	var order string
	note := func(_ int, t tool) error {
		order += t.String()[:1]
		return nil
	}
	if err := interleave(context.Background(), 3, note); err != nil || order != "ckkcck" {
		t.Errorf("order %q, error %v", order, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := interleave(ctx, 3, note); !errors.Is(err, context.Canceled) || len(order) != 6 {
		t.Errorf("cancelled: order %q, error %v", order, err)
	}
}
