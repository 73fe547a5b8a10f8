package contract

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// Tree is where files are looked for and what of them is not looked at.
type Tree struct {
	Roots  []string // directories
	Always []string // of these, the ones where every file is compared, and not only what a run changed
	Skip   []string // patterns of paths that are left out, with all below them
	Opaque []string // patterns of files of which only the attributes are compared
}

// entry is a file as it stands; what changes it changes this too.
type entry struct {
	attributes string
	change     string
}

// State tells which files are there, to find those that a run made or changed.
type State map[string]entry

// State walks the tree below root, which stands for "/".
func (t Tree) State(root string) (State, error) {
	state := State{}
	for _, dir := range t.Roots {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // it went while we looked, or the directory is not there
			}
			if err != nil {
				return err
			}
			place := "/" + strings.TrimPrefix(strings.TrimPrefix(file, root), "/")
			if matches(t.Skip, place) {
				if d.IsDir() {
					return filepath.SkipDir
				}
				return nil
			}
			info, err := d.Info()
			if os.IsNotExist(err) {
				return nil
			}
			if err != nil {
				return err
			}
			e, err := look(file, info)
			state[place] = e
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read tree %s: %w", dir, err)
		}
	}
	return state, nil
}

func look(file string, info fs.FileInfo) (entry, error) {
	stat := info.Sys().(*syscall.Stat_t)
	e := entry{
		attributes: fmt.Sprintf("%s %d:%d", info.Mode(), stat.Uid, stat.Gid),
		change:     fmt.Sprint(info.Size(), info.ModTime().UnixNano(), stat.Ctim, stat.Ino),
	}
	if info.IsDir() {
		e.change = "" // a directory changes with what is in it
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(file)
		if err != nil {
			return e, err
		}
		e.attributes += " -> " + target
	}
	return e, nil
}

// compared says whether a file is part of a snapshot: it is new or changed, or
// it is where every file counts.
func (t Tree) compared(place string, e entry, before State) bool {
	return e != before[place] || slices.ContainsFunc(t.Always, func(dir string) bool {
		return place == dir || strings.HasPrefix(place, dir+"/")
	})
}

// Files adds to a snapshot the files that a run made or changed, those that it
// removed, and all files of the directories where every one counts.
func (r *Run) Files(s Snapshot, t Tree, root string, before State) error {
	after, err := t.State(root)
	if err != nil {
		return err
	}
	contents := map[string][]byte{}
	for _, place := range slices.Sorted(maps.Keys(after)) {
		e := after[place]
		if !t.compared(place, e, before) || e.attributes[0] != '-' || matches(t.Opaque, place) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, place))
		if err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("read tree: %w", err)
		}
		contents[place] = data
		if strings.HasSuffix(place, ".crt") || strings.HasSuffix(place, ".pem") {
			r.collect(r.text(place), data)
		}
	}
	for place, e := range after {
		if !t.compared(place, e, before) {
			continue
		}
		thing := Thing{Attributes: r.text(e.attributes)}
		if data, ok := contents[place]; ok {
			thing.Content = r.fileContent(data)
		}
		s[r.text(place)] = thing
	}
	for place := range before {
		if _, ok := after[place]; !ok {
			s[r.text(place)] = Thing{Attributes: "removed"}
		}
	}
	return nil
}

func (r *Run) fileContent(data []byte) any {
	if !utf8.Valid(data) || len(data) > 1<<20 {
		return fmt.Sprintf("%d bytes, sha256 %x", len(data), sha256.Sum256(data))
	}
	return r.parse(data)
}

// matches holds a path against patterns; a * stands for any part of one name.
func matches(patterns []string, place string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, place)
		return ok && err == nil
	})
}
