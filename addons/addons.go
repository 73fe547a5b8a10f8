// Package addons renders what clusteradm installs into a cluster beyond
// kubeadm's own bookkeeping: CoreDNS, kube-proxy, a pod network, and the
// manifests a user brings. Every function is pure: parameters in, objects
// out, in the order in which they are to be applied.
//
// Objects are ready for server-side apply: no status, no timestamps, no
// resource versions. Nothing here asks a cluster; what an upgrade must keep
// (replicas, a Corefile that was edited) is the caller's to carry over.
package addons

import (
	"bytes"
	"embed"
	"fmt"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

//go:embed templates/*.yaml
var templates embed.FS

// render fills one embedded template. Values are put in as they are, so the
// templates quote what is not theirs with the function quote.
func render(name string, values any) ([]*unstructured.Unstructured, error) {
	t, err := template.New(name).
		Option("missingkey=error").
		Funcs(template.FuncMap{"quote": func(s string) string { return fmt.Sprintf("%q", s) }}).
		ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, fmt.Errorf("parse template %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("render template %s: %w", name, err)
	}
	objects, err := Manifest(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("render template %s: %w", name, err)
	}
	return objects, nil
}

// find returns the object of kind and name. Callers look for what their own
// template holds.
func find(objects []*unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for _, o := range objects {
		if o.GetKind() == kind && o.GetName() == name {
			return o
		}
	}
	return nil
}
