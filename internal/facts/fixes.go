package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/procfs"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// absent reports a path that is not there, or that only root may read: that it
// takes root is preflight's to say.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}

func gather(h host.Reader, err error) error {
	return fmt.Errorf("gather facts of %s: %w", h.Name(), err)
}

func fileFact(i host.Info) cluster.FileFact {
	return cluster.FileFact{Dir: i.Mode.IsDir(), Size: i.Size, Mode: uint32(i.Mode.Perm()), UID: i.UID, GID: i.GID, Target: i.Target, Changed: i.Changed}
}

// gatherSwaps asks systemd for the units only where there is swap.
func gatherSwaps(ctx context.Context, h host.Reader, f *cluster.HostFacts, set func(func()), programs bool) error {
	data, err := h.ReadFile(ctx, "/proc/swaps")
	if absent(err) {
		return nil
	}
	if err != nil {
		return gather(h, err)
	}
	var swaps []cluster.Swap
	for _, s := range procfs.Swaps(string(data)) {
		swaps = append(swaps, cluster.Swap{Device: s.Device, Priority: s.Priority})
	}
	if programs && len(swaps) > 0 {
		res, err := h.Query(ctx, host.Cmd{Args: []string{"systemctl", "show", "--property=Id,What,FragmentPath,SourcePath", "*.swap"}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil { // no systemd, no units
			for i, s := range swaps {
				swaps[i] = unitOf(string(res.Stdout), s)
			}
		}
	}
	set(func() { f.Swaps = swaps })
	return nil
}

// unitOf finds the unit of a swap in what systemctl show prints: a block of
// properties a unit.
func unitOf(blocks string, s cluster.Swap) cluster.Swap {
	for block := range strings.SplitSeq(blocks, "\n\n") {
		p := procfs.Properties(block)
		if p["What"] == s.Device && (s.Unit == "" || p["FragmentPath"] != "") {
			s.Unit, s.Fragment, s.Source = p["Id"], p["FragmentPath"], p["SourcePath"]
		}
	}
	return s
}

func gatherModules(ctx context.Context, h host.Reader, f *cluster.HostFacts, set func(func())) error {
	found := map[string]bool{}
	for _, m := range cluster.KernelModules() {
		data, err := h.ReadFile(ctx, m.Evidence)
		if err != nil && !absent(err) {
			return gather(h, err)
		}
		found[m.Name] = err == nil && (m.Line == "" || procfs.Line(string(data), m.Line))
	}
	set(func() { f.Modules = found })
	return nil
}

// gatherFixes reads the record of --fix and the files that are in it.
func gatherFixes(ctx context.Context, h host.Reader, f *cluster.HostFacts, set func(func())) error {
	var record cluster.Fixes
	data, err := h.ReadFile(ctx, cluster.FixesFile)
	switch {
	case absent(err):
	case err != nil:
		return gather(h, err)
	default:
		if record, err = parseFixes(data); err != nil {
			return gather(h, &RecordError{Err: err})
		}
	}
	contents, files := map[string]secret.Bytes{}, map[string]cluster.FileFact{}
	for _, p := range []string{cluster.FstabFile, cluster.ModulesLoadFile, cluster.SysctlFile} {
		data, err := h.ReadFile(ctx, p)
		if absent(err) {
			continue
		}
		if err != nil {
			return gather(h, err)
		}
		contents[p] = secret.NewBytes(data)
	}
	for _, p := range append([]string{cluster.FstabFile, cluster.ModulesLoadFile, cluster.SysctlFile,
		path.Dir(cluster.ModulesLoadFile), path.Dir(cluster.SysctlFile)}, record.Masks...) {
		info, err := h.Stat(ctx, p)
		if absent(err) {
			continue
		}
		if err != nil {
			return gather(h, err)
		}
		files[p] = fileFact(info)
	}
	set(func() {
		f.Fixes, f.FixFiles = record, contents
		for p, fact := range files {
			f.Files[p] = fact
		}
	})
	return nil
}

func parseFixes(data []byte) (cluster.Fixes, error) {
	var record cluster.Fixes
	err := json.Unmarshal(data, &record)
	return record, err
}

// RecordError reports a record of fixes that cannot be read: it is not passed
// over, for with it goes the knowledge of what reset has to take back.
type RecordError struct{ Err error }

func (e *RecordError) Error() string {
	return fmt.Sprintf("read record of fixes %s: %v", cluster.FixesFile, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }

// Hint puts the record aside.
func (e *RecordError) Hint() string {
	return "mv " + cluster.FixesFile + " " + cluster.FixesFile + ".broken   # what --fix did is not taken back then"
}
