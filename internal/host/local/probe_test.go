package local

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The measurement leaves nothing, is bounded and says why it is not to be had.
func TestSyncTimesLeavesNothing(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etcd"), 0o700); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(root, "etcd"))
	if err != nil {
		t.Fatal(err)
	}
	h := New("n1", Options{Root: root})
	times, err := h.SyncTimes(t.Context(), "/etcd", 5, time.Minute)
	if err != nil || len(times) != 5 {
		t.Fatalf("times %v, %v", times, err)
	}
	for _, d := range times {
		if d <= 0 {
			t.Errorf("a write took %s", d)
		}
	}
	after, err := os.Stat(filepath.Join(root, "etcd"))
	if err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("the directory was changed: %v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(root, "etcd")); err != nil || len(entries) > 0 {
		t.Errorf("it left %v, %v", entries, err)
	}
	if times, err := h.SyncTimes(t.Context(), "/etcd", 5, 0); err != nil || len(times) != 0 {
		t.Errorf("without time: %v, %v", times, err)
	}
	if _, err := h.SyncTimes(t.Context(), "/none", 5, time.Minute); err == nil {
		t.Error("a directory that is not there was measured")
	}
}

func TestClockIsAsked(t *testing.T) {
	if _, err := New("n1", Options{}).ClockSynchronised(t.Context()); err != nil {
		t.Error(err)
	}
}
