package effect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
)

func TestFileShowsItsLinesOnlyWhenAsked(t *testing.T) {
	f := effect.File{Host: "n1", Path: path, Content: secret.NewBytes([]byte("a: 1\nb: 2\n")), Attr: host.Attr{Mode: 0o644}, Shown: true}
	w := newWorld(t)
	w.Machine.Put(path, "a: 1\nb: 3\n", 0o644)
	if got := look(t, w, f); got.Verb != plan.Update || !slices.Equal(got.Lines, []string{"-b: 3", "+b: 2"}) {
		t.Errorf("%+v", got)
	}
	f.Shown = false
	if got := look(t, w, f); got.Verb != plan.Update || got.Lines != nil {
		t.Errorf("%+v", got)
	}
}

// What is of another kind than what is wanted is an error, not a change: it is
// not known whose it is.
func TestAnotherKindIsNoChange(t *testing.T) {
	for name, c := range map[string]struct {
		e      plan.Effect
		before func(*testing.T, *world)
		want   string
	}{
		"file over a directory":     {file(0o600), mkdir(path, host.Attr{Mode: 0o755}), "is a directory"},
		"absent over a directory":   {effect.Absent{Host: "n1", Path: path}, mkdir(path, host.Attr{Mode: 0o755}), "is a directory"},
		"directory over a file":     {effect.Dir{Host: "n1", Path: path}, put("x", 0o644), "is not a directory"},
		"directory over dead link":  {effect.Dir{Host: "n1", Path: path}, link("none"), "where nothing is"},
		"directory over link cycle": {effect.Dir{Host: "n1", Path: path}, link("thing"), "too many levels of symbolic links"},
		"symlink over a file":       {effect.Symlink{Host: "n1", Path: path, Target: "x"}, put("x", 0o644), "is not a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.before(t, w)
			_, err := c.e.Observe(t.Context(), w)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestUndoneDirKeepsWhatOthersPutThere(t *testing.T) {
	w := newWorld(t)
	d := effect.Dir{Host: "n1", Path: path + "/a/b", Attr: host.Attr{Mode: 0o700}}
	observed, err := d.Observe(t.Context(), w)
	must(t, err)
	undo, err := d.Undo(observed)
	must(t, err)
	must(t, d.Apply(t.Context(), w, observed))
	w.Machine.Put(path+"/a/theirs", "x", 0o644)
	must(t, effect.Revert(t.Context(), w, undo))
	if _, err := w.Machine.Stat(t.Context(), path+"/a/b"); err == nil {
		t.Error("the empty directory is still there")
	}
	if _, ok := w.Machine.Content(path + "/a/theirs"); !ok {
		t.Error("what others put there is gone")
	}
}

func TestRevertRefusesWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	for _, u := range []plan.Undo{
		{Kind: "other", Key: path},
		{Kind: "file", Key: path, Data: []byte("not JSON")},
		{Kind: "dir", Key: conf, Data: []byte("not JSON")},
		{Kind: "symlink", Key: path, Data: []byte("not JSON")},
	} {
		if err := effect.Revert(t.Context(), w, u); err == nil || !strings.Contains(err.Error(), u.Key) {
			t.Errorf("%s: error %v", u.Kind, err)
		}
	}
	if w.snapshot() != before {
		t.Error("something was changed")
	}
}
