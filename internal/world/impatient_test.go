package world_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/world"
)

// swallowing is a machine in whose network an address never answers.
type swallowing struct {
	*hosttest.Machine
	dials int
}

func (s *swallowing) DialHost(ctx context.Context, _, addr string) (net.Conn, error) {
	s.dials++
	if addr == "there:1" {
		one, _ := net.Pipe()
		return one, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestImpatientTriesADeadAddressOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		machine := &swallowing{Machine: hosttest.New("n1", hosttest.Options{})}
		m := world.Impatient(machine, 2*time.Second)
		started := time.Now()
		for range 3 {
			var dial *net.OpError
			if _, err := m.DialHost(t.Context(), "tcp", "dead:1"); !errors.As(err, &dial) || dial.Op != "dial" {
				t.Errorf("dialled a dead address: %v", err)
			}
		}
		if took := time.Since(started); took != 2*time.Second || machine.dials != 1 {
			t.Errorf("%d dials, %s", machine.dials, took)
		}
		if _, err := m.DialHost(t.Context(), "tcp", "there:1"); err != nil {
			t.Error(err)
		}
		// The caller's own deadline says nothing of the address.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.DialHost(ctx, "tcp", "slow:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if _, err := m.DialHost(t.Context(), "tcp", "slow:1"); err == nil || machine.dials != 4 {
			t.Errorf("%d dials, %v", machine.dials, err)
		}
	})
}
