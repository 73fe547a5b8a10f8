package config

import (
	"bytes"
	"embed"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
)

//go:embed samples/*.yaml
var samples embed.FS

// SampleKinds are the kinds that Sample adds to a document of init.
func SampleKinds() []string {
	return []string{v1alpha1.AddonsKind, v1alpha1.EndpointKind, kubeletKind, kubeProxyKind}
}

// Sample is a commented configuration of a command (init, join, reset or
// upgrade) that means exactly the defaults, with the documents of further kinds
// for init.
func Sample(command string, kinds ...string) ([]byte, error) {
	names := map[string][]string{"init": {"init", "cluster"}, "join": {"join"}, "reset": {"reset"}, "upgrade": {"upgrade"}}[command]
	if names == nil {
		return nil, fmt.Errorf("no configuration of %q", command)
	}
	files := map[string]string{kubeletKind: "kubelet", kubeProxyKind: "kubeproxy", v1alpha1.AddonsKind: "addons", v1alpha1.EndpointKind: "endpoint"}
	for _, kind := range kinds {
		if files[kind] == "" {
			return nil, fmt.Errorf("no sample of the kind %q: one of %v", kind, SampleKinds())
		}
		if !slices.Contains(names, files[kind]) {
			names = append(names, files[kind])
		}
	}
	var docs [][]byte
	for _, name := range names {
		data, err := samples.ReadFile("samples/" + name + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("read sample: %w", err)
		}
		docs = append(docs, data)
	}
	return bytes.Join(docs, []byte("---\n")), nil
}
