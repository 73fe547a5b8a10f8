package cluster

import (
	"encoding/json"
	"fmt"
)

// ReplacementFile is the record of a member of etcd that is being replaced.
// What it says cannot be told from the machine any more: the member is gone
// from its cluster, and its manifest from the machine.
const ReplacementFile = "/var/lib/clusteradm/etcd-replacement.json"

// Replacement is a member of etcd that is being replaced by an empty one.
type Replacement struct {
	ID   uint64 `json:"id"` // 0: its cluster has it no more
	Name string `json:"name"`
	// Aside is where its data are kept; empty if there were none.
	Aside string `json:"aside,omitempty"`
	// Manifest is its static pod's, from which that of the new one is made.
	Manifest []byte `json:"manifest"`
}

// Encode is the content of the file.
func (r Replacement) Encode() ([]byte, error) { return json.Marshal(r) }

// DecodeReplacement reads the file.
func DecodeReplacement(data []byte) (*Replacement, error) {
	r := &Replacement{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", ReplacementFile, err)
	}
	if r.Name == "" || len(r.Manifest) == 0 {
		return nil, fmt.Errorf("read %s: it names no member", ReplacementFile)
	}
	return r, nil
}
