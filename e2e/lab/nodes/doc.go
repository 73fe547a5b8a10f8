// Package nodes makes real machines out of one: a lab is a set of
// systemd-nspawn containers, each booting a real systemd from a Debian root,
// each with its own network namespace, cgroups, machine-id and SSH host key,
// joined by one bridge.
//
// Everything a lab makes is written down before it is made, under
// /run/clusteradm-lab/<name>, so that any process can take the lab down, also
// after the one that made it was killed. Nothing else on the machine is
// changed, with two exceptions that the kernel does not give namespaces for:
// the kubelet of a node sets kernel.panic and vm.overcommit_memory, and the
// Debian packages the lab needs are installed.
//
// The package refuses where a privilege or a kernel facility is missing. It
// never pretends and never skips.
package nodes
