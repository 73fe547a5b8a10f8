package phases_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/plan/plantest"
)

// What only the kubelet can make true is not waited for when it does not stay
// up: told soon, and with its own last words. One that waited for its
// configuration, or failed once, is none of it.
func TestAWaitEndsWhenTheKubeletKeepsFailing(t *testing.T) {
	for failed, ends := range map[int]bool{0: false, 1: false, 2: true} {
		m := hosttest.New("cp1", hosttest.Options{})
		m.AddUnit(hosttest.Unit{Name: "kubelet.service", Active: true})
		if failed > 0 {
			m.Fail("kubelet.service", failed, "I1127 flags\nE1127 06:00:00.0 run.go:72] \"command failed\" err=\"no cgroups\"\nUsage:\nkubelet.service: Failed\n")
		}
		w := plantest.New(m)
		p, _ := planned(t, nil)
		c := steps(p, "wait-control-plane")["apiserver"].Until[0]
		var err error
		looks := 0
		for looks = 1; looks <= 30; looks++ {
			if err = c.Check(t.Context(), w); !errors.Is(err, plan.ErrNotYet) {
				break
			}
		}
		var failing *effect.UnitFailingError
		if errors.As(err, &failing) != ends {
			t.Errorf("failed %d times: %v", failed, err)
		}
		if !ends {
			continue
		}
		if looks > 20 || !strings.Contains(err.Error(), "kubelet.service keeps failing (exit-code, status 1)\n  | E1127") || strings.Contains(err.Error(), "Usage") ||
			failing.Hint() != "journalctl -u kubelet.service -n 50" {
			t.Errorf("told after %d looks: %v", looks, err)
		}
	}
}
