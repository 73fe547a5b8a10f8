package cli

import (
	"github.com/spf13/cobra"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/phasecmd"
	"github.com/clusteradm/clusteradm/phases"
)

// topics are texts that belong to no one command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "exit-codes", Short: "The exit codes and what they mean", Long: exit.Doc},
		{Use: "phases", Short: "What init, join and reset do, part by part", Long: phasesDoc()},
		{Use: "configuration", Short: "Where settings come from, and the kinds of documents", Long: configurationDoc},
	}
}

func phasesDoc() string {
	return `init, join and reset are lists of phases, with the names that kubeadm has. A
phase can be run by itself,

  clusteradm init phase certs apiserver --config cluster.yaml

and phases can be left out, by flag or as skipPhases in the configuration:

  clusteradm init --skip-phases addon/kube-proxy,mark-control-plane

A phase looks at what is there and does the rest, so one that was done before
has nothing to change, and a run that was interrupted is simply started again.
--dry-run shows what a phase would do.

Of init:

` + phasecmd.Tree(phases.Init()) + `

Of join. Those of a further control plane have nothing to do for a worker:

` + phasecmd.Tree(phases.Join()) + `

Of reset:

` + phasecmd.Tree(phases.Reset())
}

const configurationDoc = `Settings come from flags, else from the documents of the file that --config
names, else from the defaults. Those are kubeadm's, but that new keys are ECDSA
P-256, images are pulled all at once, and no server is asked for a version. A
flag may be given beside a file and goes before it. The file holds YAML or JSON
documents, at most one of a kind:

  InitConfiguration        kubeadm.k8s.io   this node of init, and tokens
  ClusterConfiguration     kubeadm.k8s.io   the cluster
  JoinConfiguration        kubeadm.k8s.io   this node of join, and discovery
  ResetConfiguration       kubeadm.k8s.io   reset
  UpgradeConfiguration     kubeadm.k8s.io   upgrade
  KubeletConfiguration     kubelet.config.k8s.io
  KubeProxyConfiguration   kubeproxy.config.k8s.io
  Addons                   clusteradm.io/v1alpha1   the pod network

One file may hold them all: a command takes what is meant for it and says what
it has no use for. An unknown field, a wrong type or a value that cannot be is
an error with line and column, and all errors are told at once.

Documents of kubeadm.k8s.io are of v1beta4; v1beta3 is read too and deprecated:

  clusteradm config print init-defaults    every field, with a word on it
  clusteradm config validate --config c.yaml
  clusteradm config migrate --old-config v1beta3.yaml --new-config c.yaml

Secrets belong into a file that only root can read, or on stdin where a command
takes - for it; flags are seen in the list of processes.`
