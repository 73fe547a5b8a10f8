package ui

import (
	"encoding/json"
	"io"

	"github.com/clusteradm/clusteradm/internal/event"
)

// JSON writes one event a line.
type JSON struct{ enc *json.Encoder }

// NewJSON returns a sink that writes to w.
func NewJSON(w io.Writer) *JSON { return &JSON{json.NewEncoder(w)} }

// Emit implements event.Sink. A reader that has gone away does not stop a run.
func (j *JSON) Emit(e event.Event) { _ = j.enc.Encode(e) }
