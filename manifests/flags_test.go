package manifests_test

import (
	"maps"
	"testing"

	"github.com/clusteradm/clusteradm/manifests"
)

func TestFlags(t *testing.T) {
	got, err := manifests.Flags([]byte(`{apiVersion: v1, kind: Pod, metadata: {name: x}, spec: {containers: [{name: x,
  command: [x, --a=1, --b=2=3, -c=4, --a=5, word, --alone, --apart, value, --], args: [--d=6, --e]}]}}`))
	want := map[string]string{"a": "5", "b": "2=3", "c": "4", "alone": "true", "apart": "value", "d": "6", "e": "true"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = manifests.Flags([]byte("{kind: Pod, metadata: {name: etcd}, spec: {containers: [{name: beside, args: [--name=b]}, {name: etcd, command: [etcd, --name=a]}]}}"))
	if err != nil || got["name"] != "a" {
		t.Errorf("beside another container: %v, %v", got, err)
	}
	for text, want := range map[string]string{
		"{":           "read manifest: not a valid yaml document of a pod",
		"kind: Pod\n": `read manifest: it is a "Pod" with 0 containers, not a pod`,
		"kind: Node":  `read manifest: it is a "Node" with 0 containers, not a pod`,
	} {
		if _, err := manifests.Flags([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
