package clusters

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/e2e/contract"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

// contractTree is what is looked at of a node. Left out are what the machine
// and its runtime write whoever made the cluster, the data of etcd and of pods,
// and what the scenarios put there.
var contractTree = contract.Tree{
	Roots:  []string{"/etc", "/opt", "/root", "/usr/lib/systemd", "/usr/local", "/var/lib"},
	Always: []string{"/etc/kubernetes", "/var/lib/kubelet"},
	Skip: []string{"/root/contract", "/root/.kube", Binary, "/var/lib/systemd", "/var/lib/containerd", "/var/lib/dhcp",
		"/var/lib/*/member/*/*", "/var/lib/kubelet/pods/*", "/var/lib/kubelet/plugins_registry/*", "/var/lib/calico"},
	Opaque: []string{"/var/lib/kubelet/*_state", "/var/lib/kubelet/device-plugins/*"},
}

// derived are kinds that controllers make out of others, or that say how
// things go at the moment.
const derived = "events|events.events.k8s.io|leases.*|endpoints|endpointslices.*|replicasets.*|controllerrevisions.*|componentstatuses|leasecandidates.*"

// ContractRun is one run of a program on a node, for the comparison.
type ContractRun struct {
	run    *contract.Run
	input  string
	node   *nodes.Node
	admin  *nodes.Node // where kubectl is asked
	before contract.State
}

// BeginContract remembers how the node is before the run.
func (c *Cluster) BeginContract(n *nodes.Node, started time.Time, input string, token bool) (*ContractRun, error) {
	before, err := contractTree.State(n.Root())
	if err != nil {
		return nil, err
	}
	subnet := strings.TrimSuffix(c.Lab.Subnet(), "0/24")
	return &ContractRun{run: &contract.Run{Started: started, Rename: strings.NewReplacer(subnet, "LAB."), Token: token},
		input: input, node: n, admin: c.ControlPlane(), before: before}, nil
}

// Snapshot is what the run has left by now.
func (r *ContractRun) Snapshot(ctx context.Context) (contract.Snapshot, error) {
	run, s := *r.run, contract.Snapshot{}
	run.Input(s, r.input)
	if err := run.Files(s, contractTree, r.node.Root(), r.before); err != nil {
		return nil, err
	}
	out, err := Must(ctx, r.admin, "sh", "-c", `export KUBECONFIG=`+Kubeconfig+`
kinds=$(kubectl api-resources --verbs=list -o name | grep -vxE '`+derived+`' | paste -sd,)
exec kubectl get -A -o json "$kinds"`)
	if err != nil {
		return nil, err
	}
	if err := run.Objects(s, []byte(out)); err != nil {
		return nil, err
	}
	for _, unit := range []string{"kubelet.service", "containerd.service"} {
		out, err := Must(ctx, r.node, "systemctl", "show", unit,
			"-p", "LoadState,ActiveState,SubState,UnitFileState,FragmentPath,DropInPaths,EnvironmentFiles,Environment,User,Restart")
		if err != nil {
			return nil, err
		}
		run.Unit(s, unit, out)
	}
	return s, nil
}

// CompareContract compares until nothing is wrong with what differs, neither
// too much nor too little: a new cluster goes on making objects for some
// seconds. What differs at the end is returned.
func CompareContract(ctx context.Context, kubeadm, clusteradm *ContractRun, within time.Duration, wrong func([]contract.Difference) []string) ([]contract.Difference, error) {
	var found []contract.Difference
	err := Eventually(ctx, within, "two equal clusters", func() error {
		want, err := kubeadm.Snapshot(ctx)
		if err != nil {
			return err
		}
		got, err := clusteradm.Snapshot(ctx)
		if err != nil {
			return err
		}
		for _, s := range []contract.Snapshot{want, got} {
			if err := settled(s); err != nil {
				return err
			}
		}
		found = contract.Compare(want, got)
		if list := wrong(found); len(list) > 0 {
			return errors.New(strings.Join(list, "\n"))
		}
		return nil
	})
	if found != nil {
		err = nil // the caller judges
	}
	return found, err
}

// settled says whether a cluster has made what it makes by itself, so that two
// are not found equal because neither has it yet.
func settled(s contract.Snapshot) error {
	for _, namespace := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		for _, kind := range []string{"ConfigMap %s/kube-root-ca.crt", "ServiceAccount %s/default"} {
			if place := fmt.Sprintf(kind, namespace); s[place].Content == nil {
				return fmt.Errorf("there is no %s", place)
			}
		}
	}
	for _, kind := range []string{"Pod kube-system/kube-apiserver-", "Pod kube-system/kube-controller-manager-", "Pod kube-system/kube-scheduler-", "Node ", "CSINode "} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(s)), func(place string) bool { return strings.HasPrefix(place, kind) }) {
			return fmt.Errorf("there is no %s", kind)
		}
	}
	info, _ := s["ConfigMap kube-public/cluster-info"].Content.(map[string]any)
	data, _ := info["data"].(map[string]any)
	if len(data) < 2 {
		return errors.New("cluster-info is not signed")
	}
	return nil
}
