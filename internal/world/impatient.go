package world

import (
	"context"
	"net"
	"sync"
	"time"
)

// Impatient is a machine from which an address that does not answer soon is not
// tried again: for a look, which waits for nothing, and would otherwise wait for
// each of many objects.
func Impatient(m Machine, limit time.Duration) Machine {
	return &impatient{Machine: m, limit: limit, dead: map[string]error{}}
}

type impatient struct {
	Machine
	limit time.Duration
	mu    sync.Mutex
	dead  map[string]error // by address
}

// DialHost implements host.Dialer.
func (i *impatient) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	i.mu.Lock()
	err := i.dead[addr]
	i.mu.Unlock()
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, i.limit)
	defer cancel()
	conn, err := i.Machine.DialHost(limited, network, addr)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = &net.OpError{Op: "dial", Net: network, Err: context.DeadlineExceeded}
		i.mu.Lock()
		i.dead[addr] = err
		i.mu.Unlock()
	}
	return conn, err
}
