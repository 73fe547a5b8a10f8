package main

import (
	"fmt"
	"strings"
	"time"
)

const definitions = `## Definitions

The two tools are measured interleaved (A B, B A, A B …) on the same machine in
the same run; what is given is the median with [min..max]. A run that failed is
no sample and is listed. Before every run the machine is watched until its
processors are mostly idle, for at most 15 s. A program's time is taken by a
small stopwatch inside the node, from fork to exit.

- **init to healthy API**: wall time of ` + "`init --config FILE`" + `, the same
  kubeadm.k8s.io/v1beta4 file for both, without a pod network, on a fresh
  control-plane node per run (images imported; what a node writes, etcd's data
  too, is on tmpfs for both, but for containerd's own directory, on disk). At the moment the command ends, ` + "`/readyz`" + ` must answer 200,
  the controller manager and the scheduler must be healthy, and the Deployment
  of CoreDNS, the DaemonSet of kube-proxy and the Node must exist, or the run
  has failed. One run that is not counted warms the page cache.
- **join to Ready**: from the start of ` + "`join --config FILE`" + ` until an observer
  outside the nodes, who asks the API server for the Node every 20 ms, sees
  Ready=True. Fresh worker per run, one cluster with flannel made by clusteradm,
  its control plane settled; the worker leaves before the next one joins. The
  commands themselves are not the same: clusteradm's returns when it has seen the
  Node Ready, kubeadm's when the kubelet has its certificate.
- **control-plane join**: from the start of ` + "`join --config FILE`" + `, the same file
  for both, until an observer outside the nodes has seen both the new machine's
  own ` + "`/readyz`" + ` answer 200 (asked every 20 ms) and etcdctl on the first control
  plane list its member as a voter: not when the command says so. Fresh machine
  per run, joined as the second control plane of one cluster made by clusteradm,
  with the certificates that init uploaded; images are there, nothing is pulled.
  It leaves by etcdctl before the next one joins. One run that is not counted
  warms the page cache.
- **certificates and kubeconfigs**: ` + "`init phase certs all`" + ` plus
  ` + "`init phase kubeconfig all`" + `, two processes, in empty directories (on tmpfs, so
  what fsync costs on a disk is not in it). Afterwards the files must be there,
  with the algorithm claimed.
- **start-up**: ` + "`version`" + ` on this machine through os/exec, after warm-up.
- **peak memory**: of ` + "`version`" + `, ru_maxrss; of init and join, the high-water mark
  of the process alone (VmHWM, looked at every 10 ms), because ru_maxrss has in it
  what the process runs, such as ` + "`kubelet --version`" + `.
- **binary**: size of the file, stripped; 1 MB is 1,000,000 bytes.

kubeadm is the real one, built from its own Go module with the same flags
(static, stripped). A ratio above 1 says that clusteradm needs less.
`

// document is docs/benchmarks.md.
func document(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Benchmarks\n\nMade by `go run ./e2e/bench -write` (`make bench` measures without writing). Do not edit by hand.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n| commit | %s |\n| date | %s |\n| command | `%s` |\n", r.Commit, r.Date.UTC().Format(time.RFC3339), r.Command)
	fmt.Fprintf(&b, "| machine | %d cores, %s, %d MiB, Linux %s |\n", r.Machine.Cores, r.Machine.Processor, r.Machine.Memory, r.Machine.Kernel)
	fmt.Fprintf(&b, "| versions | %s |\n", r.Versions)
	fmt.Fprintf(&b, "| runs | %d of each tool (start-up: %d, certificates: %d) |\n", r.Runs, max(15, 5*r.Runs), max(15, r.Runs))
	fmt.Fprintf(&b, "| processors busy just before a run | %s |\n\n", r.Noise.text("%"))
	b.WriteString(markdownTable(r.Rows))
	if lines := failures(r.Rows); len(lines) > 0 {
		fmt.Fprintf(&b, "\nWhat failed:\n\n- %s\n", strings.Join(lines, "\n- "))
	}
	b.WriteString(`
The machine is shared and virtual: other work ran on it, and absolute times
differ between days by tens of percent. Interleaving makes the ratios steadier
than the times; where the two ranges overlap, so that a single run could have
gone the other way, a ratio near 1 is noise. Two cores start etcd, the container runtime and the API server;
that floor is the same for both tools and is most of init.

`)
	b.WriteString(definitions)
	b.WriteString("\n## Start-up of clusteradm by package\n\nThe slowest of `GODEBUG=inittrace=1 clusteradm version`, one run:\n\n| package | ms | allocated bytes |\n|---|---|---|\n")
	for _, p := range r.InitTrace {
		fmt.Fprintf(&b, "| %s | %.2f | %d |\n", p.Path, p.Milliseconds, p.Bytes)
	}
	return b.String()
}
