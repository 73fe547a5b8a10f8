package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is everything one run of the benchmarks found.
type Report struct {
	Commit    string    `json:"commit"`
	Date      time.Time `json:"date"`
	Command   string    `json:"command"`
	Machine   Machine   `json:"machine"`
	Versions  string    `json:"versions"`
	Runs      int       `json:"runs"`
	Noise     Series    `json:"noise"` // share of the processors others used just before each run, in percent
	Rows      []Row     `json:"rows"`
	InitTrace []Package `json:"initTrace"`
}

// Row is one line of the table.
type Row struct {
	Name string `json:"name"`
	Unit string `json:"unit"` // s, ms or MB (a million bytes)
	Pair
	Bar Bar `json:"bar"`
}

// Bar is what clusteradm has to reach; the zero Bar is none.
type Bar struct {
	Ratio float64 `json:"ratio,omitempty"` // kubeadm's median over clusteradm's is at least this
	Below float64 `json:"below,omitempty"` // clusteradm's median is below this, in the row's unit
}

func (b Bar) text(unit string) string {
	var parts []string
	if b.Ratio > 0 {
		parts = append(parts, fmt.Sprintf(">= %.1fx", b.Ratio))
	}
	if b.Below > 0 {
		parts = append(parts, fmt.Sprintf("< %.0f %s", b.Below, unit))
	}
	return strings.Join(parts, ", ")
}

// met judges the row. A failed run of clusteradm is never met: a median of the
// runs that happened to work would hide it.
func (r *Row) met() string {
	if r.Bar == (Bar{}) {
		return ""
	}
	ours, measured := r.Clusteradm.median()
	ratio, compared := r.ratio()
	switch {
	case !measured || len(r.Clusteradm.Failures) > 0:
		return "no: clusteradm failed"
	case r.Bar.Ratio > 0 && !compared:
		return "no: nothing to compare with"
	case r.Bar.Ratio > 0 && ratio < r.Bar.Ratio, r.Bar.Below > 0 && ours >= r.Bar.Below:
		return "no"
	}
	return "yes"
}

var header = []string{"measurement", "clusteradm", "kubeadm", "kubeadm/clusteradm", "bar", "met"}

func (r *Row) cells() []string {
	ratio := "-"
	if x, ok := r.ratio(); ok {
		ratio = fmt.Sprintf("%.2fx", x)
	}
	return []string{r.Name, r.Clusteradm.text(r.Unit), r.Kubeadm.text(r.Unit), ratio, r.Bar.text(r.Unit), r.met()}
}

// writeTable is the form for a terminal.
func writeTable(w io.Writer, rows []Row) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.ToUpper(strings.Join(header, "\t")))
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r.cells(), "\t"))
	}
	if err := tw.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, line := range failures(rows) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// markdownTable is the form for docs/benchmarks.md.
func markdownTable(rows []Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat("---|", len(header)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	return b.String()
}

func failures(rows []Row) []string {
	var lines []string
	for _, r := range rows {
		for _, f := range r.Clusteradm.Failures {
			lines = append(lines, "failed: clusteradm: "+r.Name+": "+f)
		}
		for _, f := range r.Kubeadm.Failures {
			lines = append(lines, "failed: kubeadm: "+r.Name+": "+f)
		}
	}
	return lines
}
