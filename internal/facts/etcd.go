package facts

import (
	"bytes"
	"context"
	"fmt"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/manifests"
)

// Etcd is what a machine knows of its etcd.
type Etcd struct {
	// Access is where the members may be asked and with what files. Of an etcd
	// elsewhere it has no name.
	Access cluster.LocalEtcd
	// Manifest is that of the member here.
	Manifest []byte
	// Replacement is one that was begun here and has not come to its end. Old
	// reports that what there was of the old member may still be in its place,
	// and Kept is the manifest of the new one once it has data.
	Replacement *cluster.Replacement
	Old         bool
	Kept        []byte
}

// Local reports that a member is here.
func (e *Etcd) Local() bool { return e.Access.Name != "" }

// GatherEtcd reads it: from the member's manifest, from the record of one that
// is being replaced, or from what the API server is told. nil if there is none
// of them.
func GatherEtcd(ctx context.Context, h host.Reader) (*Etcd, error) {
	found := map[string][]byte{}
	for _, p := range []string{cluster.ManifestsDir + "/etcd.yaml", cluster.ManifestsDir + "/kube-apiserver.yaml", cluster.ReplacementFile} {
		data, err := h.ReadFile(ctx, p)
		if err != nil && !absent(err) {
			return nil, gather(h, err)
		}
		found[p] = data
	}
	e := &Etcd{Manifest: found[cluster.ManifestsDir+"/etcd.yaml"]}
	if record := found[cluster.ReplacementFile]; record != nil {
		r, err := cluster.DecodeReplacement(record)
		if err != nil {
			return nil, gather(h, err)
		}
		e.Replacement = r
		if e.Manifest == nil {
			e.Manifest = r.Manifest
		}
	}
	if e.Manifest == nil {
		return elsewhere(found[cluster.ManifestsDir+"/kube-apiserver.yaml"]), nil
	}
	local := localEtcd(e.Manifest)
	if local == nil || local.Name == "" {
		return nil, fmt.Errorf("read %s/etcd.yaml: it is not understood: no pod of a named member with a data directory", cluster.ManifestsDir)
	}
	e.Access = *local
	if err := gatherEtcdFiles(ctx, h, &e.Access); err != nil {
		return nil, err
	}
	return e, e.gatherReplacement(ctx, h, found[cluster.ManifestsDir+"/etcd.yaml"])
}

// gatherReplacement tells how far a replacement has come: the data are set aside
// once nothing of the old member runs any more.
func (e *Etcd) gatherReplacement(ctx context.Context, h host.Reader, manifest []byte) error {
	r := e.Replacement
	if r == nil {
		e.Old = true
		return nil
	}
	if r.Aside == "" { // it had no data
		// Between the old manifest and the new one there is none: what ran by the
		// old one may not have been ended yet.
		e.Old = manifest == nil || bytes.Equal(manifest, r.Manifest)
	} else if _, err := h.Stat(ctx, r.Aside); absent(err) {
		e.Old = true
	} else if err != nil {
		return gather(h, err)
	}
	if !e.Old && e.Access.HasData {
		e.Kept = manifest
	}
	return nil
}

// elsewhere is the etcd that the API server here uses.
func elsewhere(apiServer []byte) *Etcd {
	flags, err := manifests.Flags(apiServer)
	if err != nil || flags["etcd-servers"] == "" {
		return nil
	}
	return &Etcd{Access: cluster.LocalEtcd{Endpoints: list(flags["etcd-servers"]),
		CAFile: flags["etcd-cafile"], CertFile: flags["etcd-certfile"], KeyFile: flags["etcd-keyfile"]}}
}
