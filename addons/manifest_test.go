package addons

import (
	"strings"
	"testing"
)

func TestManifest(t *testing.T) {
	objects, err := Manifest([]byte(`# a comment alone
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  namespace: x
  creationTimestamp: null
  resourceVersion: "12"
data: {n: "1"}
status: {}
--- # and one here
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "immutable": true},
  {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"replicas": 3}}
]}
---
`))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.GetKind()+" "+name(o))
	}
	if got := strings.Join(names, ", "); got != "ConfigMap x/a, ConfigMap b, Deployment a" {
		t.Fatalf("read %s", got)
	}
	first := objects[0].Object
	if _, has := first["status"]; has {
		t.Error("the status was kept")
	}
	if m := first["metadata"].(map[string]any); len(m) != 2 {
		t.Errorf("metadata is %v", m)
	}
	if replicas := objects[2].Object["spec"].(map[string]any)["replicas"]; replicas != int64(3) {
		t.Errorf("replicas are %T", replicas)
	}
}

func TestManifestErrors(t *testing.T) {
	const good = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
	for data, want := range map[string][]string{
		good + "---\n" + good:                                              {"read document 2: ConfigMap a is in document 1 already"},
		"---\n" + good + "kind: Secret\n":                                  {"read document 1: ", `key "kind" already set`},
		good + "---\nfoo\n":                                                {"read document 2: "},
		good + "---\n\n---\nmetadata: {name: x}\ndata: {k: hush}\n":        {"read document 3: apiVersion is missing", "kind is missing"},
		"kind: A\nmetadata: {}\n---\nkind: B\n":                            {"read document 1: apiVersion is missing", "read document 2: ", "name is missing"},
		good + "--- text\n":                                                {"read document 1: "},
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: A}]\n": {"read document 1: item 1: metadata.name is missing"},
		"apiVersion: v1\nkind: A\nmetadata: 3\n":                           {"read document 1: "},
	} {
		objects, err := Manifest([]byte(data))
		if err == nil {
			t.Errorf("%q was read as %v", data, objects)
			continue
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%q quotes the document", err)
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q gives %q without %q", data, err, part)
			}
		}
	}
	if objects, err := Manifest(nil); err != nil || len(objects) != 0 {
		t.Errorf("nothing gives %v, %v", objects, err)
	}
}
