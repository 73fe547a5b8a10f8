package facts

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// answersWithin is how long a machine in the same network may take to answer
// a connection, or to refuse it.
const answersWithin = 500 * time.Millisecond

// virtualIP asks whether some machine has the address: it answers there, or
// refuses to.
func (m *looker) virtualIP(ctx context.Context, a Asked) {
	if a.D == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	conn, err := a.D.DialHost(ctx, "tcp", netip.AddrPortFrom(a.Cluster.VirtualIP.Address, uint16(a.Node.BindPort)).String())
	used := cluster.No
	if err == nil {
		err = conn.Close()
		used = cluster.Yes
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		used = cluster.Yes
	}
	m.set(func(f *cluster.MachineFacts) { f.VirtualIP = used })
}
