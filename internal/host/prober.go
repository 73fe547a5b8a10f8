package host

import (
	"context"
	"time"
)

// Prober tells of a machine what no file and no program does. Like a Reader it
// changes nothing that anybody can see.
type Prober interface {
	// ClockSynchronised reports whether something keeps the kernel's clock in
	// time.
	ClockSynchronised(ctx context.Context) (bool, error)
	// SyncTimes measures writes of etcd's kind below dir, each synced before
	// the next: at most count of them, and none begun after within. It writes
	// to a file that never has a name, so that nothing is left whatever ends
	// the process; a filesystem without such files is an error.
	SyncTimes(ctx context.Context, dir string, count int, within time.Duration) ([]time.Duration, error)
}
