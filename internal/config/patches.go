package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	"github.com/clusteradm/clusteradm/internal/patch"
)

// maxPatchDepth is far below where links to directories above would lead.
const maxPatchDepth = 8

// patches reads the directory of patches below a field, as kubeadm does: the
// directories in it too, everything in the order of names.
func (f field) patches(conf *v1beta4.Patches, in Inputs) []cluster.Patch {
	if conf == nil || conf.Directory == "" {
		return nil
	}
	f = f.child("patches").child("directory")
	if hasControl(conf.Directory) {
		f.bad("has control characters", "")
		return nil
	}
	if in.ReadDir == nil || in.ReadFile == nil {
		f.bad("cannot be read here", "")
		return nil
	}
	return f.patchDir(conf.Directory, in, 0)
}

func (f field) patchDir(dir string, in Inputs, depth int) []cluster.Patch {
	entries, err := in.ReadDir(dir)
	if err != nil {
		f.unreadable("read patches", err)
		return nil
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var out []cluster.Patch
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		switch {
		// Those of a mounted ConfigMap hold the files beside them once more.
		case strings.HasPrefix(entry.Name(), ".."):
		case !entry.IsDir():
			out = append(out, f.patchFile(name, in)...)
		case depth == maxPatchDepth:
			f.bad(fmt.Sprintf("%s is nested deeper than %d directories", name, maxPatchDepth), "")
		default:
			out = append(out, f.patchDir(name, in, depth+1)...)
		}
	}
	return out
}

func (f field) patchFile(name string, in Inputs) []cluster.Patch {
	target, kind, err := patch.Name(path.Base(name))
	switch {
	case errors.Is(err, patch.ErrNoPatch):
		f.warn(fmt.Sprintf("ignore %s: %v", name, err), "a patch is called target[suffix][+strategic|merge|json].yaml or .json; targets are "+strings.Join(patch.Targets(), ", "))
		return nil
	case err != nil:
		f.bad(fmt.Sprintf("read patch %s: %v", name, err), "")
		return nil
	}
	data, err := in.ReadFile(name)
	if err != nil {
		f.bad("read patch: "+err.Error(), "")
		return nil
	}
	read, err := patch.Read(name, target, kind, data)
	switch {
	case err != nil:
		f.bad(err.Error(), "")
	case len(read) == 0:
		f.warn(fmt.Sprintf("ignore %s: it is empty", name), "")
	}
	return read
}

// unreadable reports a file that cannot be read. That it is not here says
// nothing about a configuration for another machine.
func (f field) unreadable(what string, err error) {
	if f.c.elsewhere && errors.Is(err, fs.ErrNotExist) {
		f.warn(what+": "+err.Error(), "")
		return
	}
	f.bad(what+": "+err.Error(), "")
}
