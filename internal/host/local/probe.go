package local

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/clusteradm/clusteradm/internal/host"
)

var _ host.Prober = (*Host)(nil)

// ClockSynchronised asks the kernel, whom chrony, ntpd, systemd-timesyncd and
// hypervisors tell alike.
func (h *Host) ClockSynchronised(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	var t unix.Timex // no modes: nothing is set
	state, err := unix.Adjtimex(&t)
	if err != nil {
		return false, fmt.Errorf("ask the kernel for its clock: %w", err)
	}
	return state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0, nil
}

// record is the size of one of etcd's writes to its log, about: what the
// measurement that etcd's documentation proposes writes.
const record = 2300

// SyncTimes implements host.Prober.
func (h *Host) SyncTimes(ctx context.Context, dir string, count int, within time.Duration) ([]time.Duration, error) {
	real, err := h.begin(ctx, "measure writes to", dir)
	if err != nil {
		return nil, err
	}
	fd, err := unix.Open(real, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, failed("measure writes to", dir, err)
	}
	defer unix.Close(fd)
	data := make([]byte, record)
	var times []time.Duration
	for began := time.Now(); len(times) < count && time.Since(began) < within && ctx.Err() == nil; {
		started := time.Now()
		if _, err := unix.Pwrite(fd, data, int64(len(times)*record)); err != nil {
			return nil, failed("measure writes to", dir, err)
		}
		if err := unix.Fdatasync(fd); err != nil {
			return nil, failed("measure writes to", dir, err)
		}
		times = append(times, time.Since(started))
	}
	return times, ctx.Err()
}
