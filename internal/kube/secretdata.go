package kube

import (
	"encoding/base64"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SecretData are the entries of a Secret. One that is null is empty; one that is
// not base64, which no server has, is taken as it is.
func SecretData(s *unstructured.Unstructured) map[string][]byte {
	data, _, _ := unstructured.NestedMap(s.Object, "data")
	found := make(map[string][]byte, len(data))
	for name, value := range data {
		text, _ := value.(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			raw = []byte(text)
		}
		found[name] = raw
	}
	return found
}
