package ui

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/clusteradm/clusteradm/internal/event"
)

// JSON writes one event a line.
type JSON struct {
	mu  sync.Mutex // parallel steps
	enc *json.Encoder
}

// NewJSON returns a sink that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{enc: json.NewEncoder(w)} }

// Emit implements event.Sink. A reader that has gone away does not stop a run.
func (j *JSON) Emit(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.enc.Encode(e)
}
