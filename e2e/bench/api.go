package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/clusteradm/clusteradm/e2e/clusters"
)

// whenReady asks for a Node every 20 ms and returns the moment at which its
// Ready condition was first seen to be true.
func whenReady(ctx context.Context, a *clusters.API, node string) (time.Time, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("wait for node %s to be Ready: %w: %w", node, context.Cause(ctx), last)
		case <-ticker.C:
		}
		body, err := a.Get(ctx, "/api/v1/nodes/"+node)
		if err != nil {
			last = err
			continue
		}
		if isReady(body) {
			return time.Now(), nil
		}
		last = errors.New("the Node is there and not Ready")
	}
}

func isReady(body []byte) bool {
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status string } `json:"conditions"`
		} `json:"status"`
	}
	if json.Unmarshal(body, &node) != nil {
		return false
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}
