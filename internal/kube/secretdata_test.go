package kube_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/kube"
)

func TestSecretData(t *testing.T) {
	got := kube.SecretData(&unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"a": "Yg==", "empty": "", "null": nil, "no base64": "!"}}})
	if len(got) != 4 || string(got["a"]) != "b" || len(got["empty"])+len(got["null"]) != 0 || string(got["no base64"]) != "!" {
		t.Errorf("%q", got)
	}
	if got := kube.SecretData(&unstructured.Unstructured{Object: map[string]any{}}); len(got) != 0 {
		t.Errorf("of none: %q", got)
	}
}
