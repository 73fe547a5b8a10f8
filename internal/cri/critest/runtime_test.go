package critest_test

import (
	"testing"

	"github.com/clusteradm/clusteradm/internal/cri"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
)

func TestConformance(t *testing.T) {
	critest.RunConformance(t, func(_ *testing.T, r *critest.Runtime) cri.Client { return r })
}

func TestNobodyConnected(t *testing.T) {
	critest.RunUnavailable(t, cri.Unavailable{})
}
