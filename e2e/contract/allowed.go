package contract

import (
	"fmt"
	"slices"
	"strings"
)

// Limit is how many differences may be allowed, over all configurations.
const Limit = 12

// Allowance is a difference that is meant to be.
type Allowance struct {
	Where  string
	Reason string
	// Only are the cases that show it, none means every one; Except those that
	// do not.
	Only, Except []string
}

func (a Allowance) applies(name string) bool {
	return (len(a.Only) == 0 || slices.Contains(a.Only, name)) && !slices.Contains(a.Except, name)
}

// Judge holds the differences of each case against the table. What comes back
// is wrong: a difference that is not allowed, or an allowance that one of its
// cases among those that ran does not need.
func Judge(table []Allowance, found map[string][]Difference) []string {
	var wrong []string
	if len(table) > Limit {
		wrong = append(wrong, fmt.Sprintf("%d differences are allowed, the limit is %d", len(table), Limit))
	}
	for name, differences := range found {
		wrong = append(wrong, Unexpected(table, name, differences)...)
		for _, a := range table {
			if a.applies(name) && !slices.ContainsFunc(differences, func(d Difference) bool { return d.Where == a.Where }) {
				wrong = append(wrong, fmt.Sprintf("%s: the allowed difference %s is not there: take it out of the table", name, a.Where))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// Unexpected are the differences of one case that nothing allows.
func Unexpected(table []Allowance, name string, differences []Difference) []string {
	var wrong []string
	for _, d := range differences {
		if !slices.ContainsFunc(table, func(a Allowance) bool { return a.applies(name) && a.Where == d.Where }) {
			wrong = append(wrong, name+": "+d.String())
		}
	}
	return wrong
}

// Markdown is the table for users.
func Markdown(table []Allowance) string {
	var b strings.Builder
	b.WriteString("| where | why | with |\n|---|---|---|\n")
	for _, a := range table {
		with := "every configuration"
		if len(a.Only) > 0 {
			with = strings.Join(a.Only, ", ")
		}
		if len(a.Except) > 0 {
			with += ", not " + strings.Join(a.Except, ", ")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Where, a.Reason, with)
	}
	return b.String()
}
