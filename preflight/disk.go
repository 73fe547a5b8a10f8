package preflight

import (
	"math"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Below the first nothing can be written that is worth it; below the others
// the kubelet evicts pods, and etcd has no room for a database of its default
// quota.
const (
	fullBytes    = 64 << 20
	fullInodes   = 1000
	etcdBytes    = 2 << 30
	lowShare     = 0.10
	lowInodes    = 0.05
	fsyncTooSlow = 10.0 // ms; etcd's own recommendation for the 99th percentile
)

func diskSpace() Check {
	return Check{"DiskSpace", func(s Subject) []Finding {
		var findings []Finding
		for _, d := range s.Facts.Machine.Disks {
			findings = append(findings, space(s, d)...)
			findings = append(findings, inodes(d)...)
		}
		return findings
	}}
}

func space(s Subject, d cluster.Disk) []Finding {
	hint := "df -h " + d.Path
	switch {
	case d.Free < fullBytes:
		return finding(Error, hint, "the disk of %s is full: %d MiB free", d.Path, d.Free>>20)
	case s.Cluster != nil && d.Path == s.Cluster.Etcd.DataDir && d.Free < etcdBytes:
		return finding(Warning, hint, "the disk of etcd's data in %s has %d MiB free; its database may grow to 2048 MiB", d.Path, d.Free>>20)
	case d.Size > 0 && float64(d.Free) < lowShare*float64(d.Size):
		return finding(Warning, hint, "the disk of %s has only %d MiB free, less than a tenth: the kubelet would evict pods", d.Path, d.Free>>20)
	}
	return nil
}

func inodes(d cluster.Disk) []Finding {
	hint := "df -i " + d.Path
	switch {
	case d.Inodes == 0: // it makes them as it needs them
	case d.InodesFree < fullInodes:
		return finding(Error, hint, "the disk of %s has no inodes left: %d free", d.Path, d.InodesFree)
	case float64(d.InodesFree) < lowInodes*float64(d.Inodes):
		return finding(Warning, hint, "the disk of %s has only %d inodes free, less than a twentieth: the kubelet would evict pods", d.Path, d.InodesFree)
	}
	return nil
}

// fsyncLatency judges the disk by the 99th percentile, the slowest of fewer
// than a hundred writes.
func fsyncLatency() Check {
	return Check{"FsyncLatency", func(s Subject) []Finding {
		times := s.Facts.Machine.FsyncMs
		if len(times) == 0 {
			return nil
		}
		p99 := times[int(math.Ceil(0.99*float64(len(times))))-1]
		if p99 <= fsyncTooSlow {
			return nil
		}
		return finding(Warning, "lsblk -d -o NAME,ROTA,MODEL,TRAN", "the disk of etcd's data syncs writes in %.1f ms (99th percentile of %d), more than the 10 ms that etcd needs to keep its leader", p99, len(times))
	}}
}
