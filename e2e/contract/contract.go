// Package contract compares what kubeadm and clusteradm leave behind: files
// with their attributes and content, certificates and keys wherever they are
// (also inside kubeconfigs and objects), API objects, systemd units. It does no
// I/O beyond reading a directory tree that it is given, and decides nothing by
// itself: whatever differs is a difference, unless the table of allowed ones
// names it by its exact place.
//
// Two runs always differ in their keys, serial numbers, moments and generated
// names. Those are not left out: they are replaced by what can be said of them
// (a key's algorithm and the certificate that it belongs to, a certificate's
// beginning reckoned from the start of the run), so that a wrong one is seen.
package contract

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Thing is one file, object, unit or input.
type Thing struct {
	Attributes string // of a file: type, mode, owner, target of a link
	Content    any    // maps, lists and scalars; nil if there is none to compare
}

// Snapshot is everything that was found, by place: a path, "Kind name",
// "Kind namespace/name", "unit name".
type Snapshot map[string]Thing

// Difference is one place in which two snapshots differ.
type Difference struct {
	// Where is a place, a place and "#" and a JSON pointer into its content, or
	// a place and "#@attributes".
	Where string
	// Want is what the first snapshot has there, Got what the second has.
	Want, Got string
}

func (d Difference) String() string {
	return fmt.Sprintf("%s\n    kubeadm:    %s\n    clusteradm: %s", d.Where, d.Want, d.Got)
}

const absent = "(absent)"

// Compare lists the differences in the order of their places. What one side
// lacks is told once, at its highest place: a directory and not its files, a
// field and not what is in it.
func Compare(want, got Snapshot) []Difference {
	var all []Difference
	places := slices.Sorted(maps.Keys(want))
	for place := range got {
		if _, ok := want[place]; !ok {
			places = append(places, place)
		}
	}
	slices.Sort(places)
	missing := map[string]bool{}
	for _, place := range places {
		w, inWant := want[place]
		g, inGot := got[place]
		if inWant != inGot {
			missing[place] = true
			if !missing[parent(place)] {
				all = append(all, Difference{place, presence(w, inWant), presence(g, inGot)})
			}
			continue
		}
		if w.Attributes != g.Attributes {
			all = append(all, Difference{place + "#@attributes", w.Attributes, g.Attributes})
		}
		all = append(all, compareValues(place+"#", w.Content, g.Content)...)
	}
	return all
}

// parent is the directory of a path; other places have none.
func parent(place string) string {
	if i := strings.LastIndex(place, "/"); i > 0 && place[0] == '/' {
		return place[:i]
	}
	return ""
}

func presence(t Thing, is bool) string {
	switch {
	case !is:
		return absent
	case t.Attributes != "":
		return t.Attributes
	default:
		return "present"
	}
}

// compareValues descends into maps, and into lists of one length.
func compareValues(where string, want, got any) []Difference {
	switch w := want.(type) {
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			return compareMaps(where, w, g)
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			var all []Difference
			for i := range w {
				all = append(all, compareValues(fmt.Sprintf("%s/%d", where, i), w[i], g[i])...)
			}
			return all
		}
	}
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return []Difference{{where, show(want), show(got)}}
}

func compareMaps(where string, want, got map[string]any) []Difference {
	keys := slices.Sorted(maps.Keys(want))
	for key := range got {
		if _, ok := want[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var all []Difference
	for _, key := range keys {
		at := where + "/" + escape(key)
		w, inWant := want[key]
		g, inGot := got[key]
		switch {
		case !inWant:
			all = append(all, Difference{at, absent, show(g)})
		case !inGot:
			all = append(all, Difference{at, show(w), absent})
		default:
			all = append(all, compareValues(at, w, g)...)
		}
	}
	return all
}

// escape is that of RFC 6901.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

func show(v any) string {
	text := fmt.Sprintf("%#v", v)
	if s, ok := v.(string); ok {
		text = fmt.Sprintf("%q", s)
	}
	if len(text) > 600 {
		text = text[:600] + "…"
	}
	return text
}
