package local_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/host/local"
)

func TestConformance(t *testing.T) {
	hosttest.RunConformance(t, func(t *testing.T) host.Host {
		return local.New("local", local.Options{Root: t.TempDir()})
	})
}
