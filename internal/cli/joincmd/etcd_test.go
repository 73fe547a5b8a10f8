package joincmd

import (
	"reflect"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
)

const aPod = `apiVersion: v1
kind: Pod
metadata: {name: etcd-NAME, namespace: kube-system, labels: {component: etcd, tier: control-plane}, annotations: {ANNOTATION}}
`

const aNode = `apiVersion: v1
kind: Node
metadata: {name: NAME, labels: {LABELS}}
status: {addresses: [{type: Hostname, address: NAME}, {type: InternalIP, address: ADDRESS}]}
`

func filled(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	return strings.NewReplacer(pairs...).Replace(text)
}

func TestWhereEtcdIsAsked(t *testing.T) {
	const plane = "node-role.kubernetes.io/control-plane: ''"
	nodes := []string{
		filled(t, aNode, "NAME", "cp1", "LABELS", plane, "ADDRESS", "192.0.2.10"),
		filled(t, aNode, "NAME", "cp3", "LABELS", plane, "ADDRESS", "'2001:db8::3'"),
		filled(t, aNode, "NAME", "w1", "LABELS", "", "ADDRESS", "192.0.2.20"),
	}
	pods := []string{
		filled(t, aPod, "NAME", "cp1", "ANNOTATION", "kubeadm.kubernetes.io/etcd.advertise-client-urls: 'https://192.0.2.10:2379,https://192.0.2.110:2379'"),
		filled(t, aPod, "NAME", "cp3", "ANNOTATION", "kubeadm.kubernetes.io/etcd.advertise-client-urls: 'https://[2001:db8::3]:2379'"),
	}
	for name, c := range map[string]struct {
		objects []string
		want    string
	}{
		"as the pods say":               {append(pods, nodes...), "https://192.0.2.10:2379 https://192.0.2.110:2379 https://[2001:db8::3]:2379"},
		"no pods: the control planes":   {nodes, "https://192.0.2.10:2379 https://[2001:db8::3]:2379"},
		"nobody":                        {nodes[2:], ""},
		"a pod that says nothing of it": {[]string{filled(t, aPod, "NAME", "cp1", "ANNOTATION", "")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := kubetest.New()
			for _, o := range c.objects {
				s.Put(kubetest.Object(t, o))
			}
			endpoints, nodes, err := etcdEndpoints(t.Context(), s)
			if got := strings.Join(endpoints, " "); got != c.want || (err != nil) != (c.want == "") {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if err == nil && (strings.Join(nodes.names, " ") != "cp1 cp3 w1" || strings.Join(nodes.addresses, " ") != "cp1 192.0.2.10 cp3 2001:db8::3 w1 192.0.2.20") {
				t.Errorf("nodes %v", nodes)
			}
		})
	}
}

// Whose the data are that etcd has here: what a reset gave up may have lived on,
// and is nobody's only where a join says so.
func TestWhoseDataAreHere(t *testing.T) {
	const log, mark = "/var/lib/etcd/member/wal/0.wal", "/var/lib/etcd/" + cluster.EtcdGivenUp
	for name, c := range map[string]struct {
		files map[string]string
		args  []cluster.Arg
		want  standing
	}{
		"nothing":                 {},
		"a member's":              {files: map[string]string{log: ""}, want: standing{data: true}},
		"no log yet":              {files: map[string]string{"/var/lib/etcd/member/snap/db": ""}, want: standing{data: true, empty: true}},
		"its log is elsewhere":    {files: map[string]string{"/var/lib/etcd/member/snap/db": ""}, args: []cluster.Arg{{Name: "wal-dir", Value: "/wal"}}, want: standing{data: true}},
		"withdrawn by a join":     {files: map[string]string{log: "", mark: cluster.EtcdWithdrawn}, want: standing{data: true, withdrawn: true}},
		"given up by a reset":     {files: map[string]string{log: "", mark: "These data are of a member that nobody counts on; clusteradm reset removes them.\n"}, want: standing{data: true}},
		"a mark that was cut off": {files: map[string]string{log: "", mark: ""}, want: standing{data: true}},
	} {
		t.Run(name, func(t *testing.T) {
			m := hosttest.New("cp2", hosttest.Options{})
			for path, text := range c.files {
				m.Put(path, text, 0o600)
			}
			var got standing
			if err := got.lookForData(t.Context(), m, cluster.Etcd{DataDir: "/var/lib/etcd", ExtraArgs: c.args}); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}
