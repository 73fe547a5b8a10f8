package patch_test

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/patch"
)

func TestName(t *testing.T) {
	for file, want := range map[string]string{
		"etcd.yaml":                             "etcd strategic",
		"etcd0+merge.json":                      "etcd merge",
		"kube-apiserver+json.yaml":              "kube-apiserver json",
		"kube-controller-manager-x+strategic.y": "not a patch",
		"kube-scheduler+strategic.yaml":         "kube-scheduler strategic",
		"kubeletconfiguration_1.yaml":           "kubeletconfiguration strategic",
		"corednsdeployment.old.yaml":            "corednsdeployment strategic",
		"kube-apiserver+.yaml":                  "after the +",
		"kube-apiserver+jsn.yaml":               "after the +",
		"kube-apisever.yaml":                    "not a patch",
		"etcd.yml":                              "not a patch",
		"etcd":                                  "not a patch",
		".yaml":                                 "not a patch",
		"README.md":                             "not a patch",
		".etcd.yaml.swp":                        "not a patch",
	} {
		target, kind, err := patch.Name(file)
		got := target + " " + string(kind)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
		if errors.Is(err, patch.ErrNoPatch) != strings.HasPrefix(want, "not a patch") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func patches(t *testing.T, target string, kind cluster.PatchType, docs string) []cluster.Patch {
	t.Helper()
	got, err := patch.Read("/p/"+target+".yaml", target, kind, []byte(docs))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

const pod = `apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, labels: {tier: control-plane}}
spec:
  priority: 2000001000
  containers:
  - name: kube-apiserver
    image: a
    command: [kube-apiserver, --v=1]
    env: [{name: A, value: "1"}]
`

func TestApply(t *testing.T) {
	for name, c := range map[string]struct {
		kind       cluster.PatchType
		docs, want string
	}{
		// A strategic patch merges lists of what has names by those.
		"strategic":  {cluster.PatchStrategic, "spec: {containers: [{name: kube-apiserver, env: [{name: B, value: '2'}]}]}\n---\n# nothing\n---\nmetadata: {labels: {a: b}}\n", `"env":[{"name":"B","value":"2"},{"name":"A","value":"1"}]`},
		"directive":  {cluster.PatchStrategic, "spec: {containers: [{name: kube-apiserver, env: [{name: A, $patch: delete}]}]}", `"image":"a","name":"kube-apiserver"}`},
		"merge":      {cluster.PatchMerge, "spec: {containers: [{name: x, image: b}]}", `"containers":[{"image":"b","name":"x"}]`},
		"merge null": {cluster.PatchMerge, "metadata: {labels: null}", `"metadata":{"name":"kube-apiserver"}`},
		"json":       {cluster.PatchJSON, "- {op: add, path: /spec/containers/0/command/-, value: --x=y}\n- {op: test, path: /spec/priority, value: 2000001000}\n", `"command":["kube-apiserver","--v=1","--x=y"]`},
		"two docs":   {cluster.PatchJSON, "[{op: replace, path: /spec/containers/0/image, value: b}]\n---\n[{op: test, path: /spec/containers/0/image, value: b}]\n", `"image":"b"`},
		"number":     {cluster.PatchStrategic, "spec: {priority: 7}", `"priority":7`},
		"long":       {cluster.PatchMerge, "metadata: {labels: {a: b}}", `"priority":2000001000`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := patch.Apply(patches(t, "kube-apiserver", c.kind, c.docs), "kube-apiserver", []byte(pod), corev1.Pod{})
			if err != nil || !strings.Contains(string(got), c.want) {
				t.Errorf("%v\n got %s\nwant %s", err, got, c.want)
			}
		})
	}
}

func TestOthersPatchesAreLeftAlone(t *testing.T) {
	got, err := patch.Apply(patches(t, "etcd", cluster.PatchMerge, "spec: null"), "kube-apiserver", []byte(pod), corev1.Pod{})
	if err != nil || !strings.Contains(string(got), `"image":"a"`) {
		t.Errorf("%s, %v", got, err)
	}
}

func TestApplyKubeletConfiguration(t *testing.T) {
	got, err := patch.Apply(patches(t, patch.Kubelet, cluster.PatchStrategic, "maxPods: 50\nevictionHard: {memory.available: 5%}\n"), patch.Kubelet,
		[]byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nclusterDNS: [10.96.0.10]\n"), kubelet.KubeletConfiguration{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.JSONToYAML(got)
	if err != nil || !strings.Contains(string(text), "maxPods: 50") || !strings.Contains(string(text), "memory.available: 5%") || !strings.Contains(string(text), "- 10.96.0.10") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Each of these is found without anything having been changed, and names the
// file and the target; none repeats what is in the patch.
func TestWrongPatches(t *testing.T) {
	for name, c := range map[string]struct {
		kind       cluster.PatchType
		docs, want string
	}{
		"syntax":          {cluster.PatchStrategic, "a: [\n", "yaml"},
		"key twice":       {cluster.PatchStrategic, "a: 1\na: secret\n", "already set"},
		"list":            {cluster.PatchStrategic, "[secret]", "is a mapping"},
		"text":            {cluster.PatchMerge, "secret", "is a mapping"},
		"mapping":         {cluster.PatchJSON, "{op: secret}", "is a list of operations"},
		"operation":       {cluster.PatchJSON, "[{op: put, path: /spec}]", `operation 1 of the json patch has the unknown op "put"`},
		"no op":           {cluster.PatchJSON, "[{path: /spec}]", "unknown op"},
		"path":            {cluster.PatchJSON, "[{op: remove, path: spec}]", "has no path that begins with /"},
		"no path":         {cluster.PatchJSON, "[{op: remove}]", "has no path"},
		"missing":         {cluster.PatchJSON, "[{op: remove, path: /spec/nothing}]", "nothing"},
		"test":            {cluster.PatchJSON, "[{op: test, path: /spec/priority, value: secret}]", "priority"},
		"index":           {cluster.PatchJSON, "[{op: add, path: /spec/containers/7/image, value: secret}]", "containers/7"},
		"unknown field":   {cluster.PatchStrategic, "spec: {containerz: [{name: secret}]}", `unknown field "spec.containerz"`},
		"wrong case":      {cluster.PatchMerge, "Spec: {}", `unknown field "Spec"`},
		"unknown inside":  {cluster.PatchJSON, "[{op: add, path: /spec/containers/0/x, value: secret}]", `unknown field "spec.containers[0].x"`},
		"type":            {cluster.PatchStrategic, "spec: {priority: high}", "the result is no Pod"},
		"list for object": {cluster.PatchMerge, "spec: [secret]", "the result is no Pod"},
		"directive":       {cluster.PatchStrategic, "spec: {containers: [{name: a, $patch: secret}]}", "$patch is delete"},
		"no key":          {cluster.PatchStrategic, "spec: {containers: [{image: secret}]}", "need their key"},
		"second document": {cluster.PatchStrategic, "metadata: {labels: {a: b}}\n---\nspec: {x: secret}\n", "spec.x"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := patch.Read("/p/kube-apiserver0.yaml", "kube-apiserver", c.kind, []byte(c.docs))
			if err == nil {
				_, err = patch.Apply(list, "kube-apiserver", []byte(pod), corev1.Pod{})
			}
			var wrong *patch.Error
			if !errors.As(err, &wrong) || !strings.HasPrefix(err.Error(), "apply patch /p/kube-apiserver0.yaml to kube-apiserver: ") || !strings.Contains(err.Error(), c.want) || !strings.Contains(wrong.Hint(), "/p/kube-apiserver0.yaml") {
				t.Errorf("error = %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the patch is shown: %v", err)
			}
		})
	}
}

// What one patch breaks a later one may mend, as in kubeadm.
func TestOnlyTheResultCounts(t *testing.T) {
	list := append(patches(t, "kube-apiserver", cluster.PatchMerge, "spec: {x: y}"), patches(t, "kube-apiserver", cluster.PatchMerge, "spec: {x: null}")...)
	if _, err := patch.Apply(list, "kube-apiserver", []byte(pod), corev1.Pod{}); err != nil {
		t.Error(err)
	}
}
