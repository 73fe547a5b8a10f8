package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta3"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	yaml "go.yaml.in/yaml/v3"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
)

// The kinds of the components' own documents.
const (
	kubeletKind   = "KubeletConfiguration"
	kubeProxyKind = "KubeProxyConfiguration"
)

// position is where a value stands in the input.
type position struct{ line, column int }

// document is one YAML document and where each of its fields stands.
type document struct {
	index int // from 1
	kind  string
	// apiVersion is the one of the kind that is written now, or an older one.
	apiVersion string
	root       *yaml.Node
	positions  map[string]position // by field path; "" is the document
	broken     map[string]bool     // paths whose value could not be decoded
	errs       Errors
}

func (d *document) bad(path string, at position, message, hint string) {
	d.errs = append(d.errs, FieldError{Document: d.index, Kind: d.kind, Path: path, Line: at.line, Column: at.column, Message: message, Hint: hint})
}

// split reads the documents of an input. Documents without content are left
// out but counted, so that an index is that which a reader would count.
func split(input []byte) ([]*document, Errors) {
	var docs []*document
	var errs Errors
	decoder := yaml.NewDecoder(bytes.NewReader(input))
	seen := map[string]int{}
	for index := 1; ; index++ {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return docs, errs
		}
		if err != nil {
			// The parser can't find the start of the next document either.
			return docs, append(errs, syntaxError(index, err))
		}
		doc := &document{index: index, positions: map[string]position{}, broken: map[string]bool{}}
		root, err := expand(&node)
		if err != nil {
			errs = append(errs, FieldError{Document: index, Line: node.Line, Column: node.Column, Message: err.Error(), Hint: "write the values out instead of using aliases"})
			continue
		}
		if root == nil || isNull(root) {
			continue
		}
		doc.root = root
		doc.positions[""] = position{root.Line, root.Column}
		if !doc.identify() {
			errs = append(errs, doc.errs...)
			continue
		}
		if first, twice := seen[doc.kind]; twice {
			doc.bad("", doc.positions[""], fmt.Sprintf("a second document of this kind; the first is document %d", first), "merge the two documents into one")
			errs = append(errs, doc.errs...)
			continue
		}
		seen[doc.kind] = index
		docs = append(docs, doc)
	}
}

// syntaxError takes the line out of the parser's text, which is the only place
// where the parser says it.
func syntaxError(index int, err error) FieldError {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	e := FieldError{Document: index, Message: "parse yaml: " + text}
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(text); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Message = "parse yaml: " + m[2]
	}
	return e
}

// identify reads apiVersion and kind and reports whether they are known.
func (d *document) identify() bool {
	if d.root.Kind != yaml.MappingNode {
		d.bad("", d.positions[""], "is "+describe(d.root)+", must be a mapping", "")
		return false
	}
	apiVersion, at, okVersion := d.header("apiVersion")
	kind, kindAt, okKind := d.header("kind")
	if !okVersion || !okKind {
		return false
	}
	newest := map[string]string{
		v1beta4.InitKind: v1beta4.APIVersion, v1beta4.ClusterKind: v1beta4.APIVersion, v1beta4.JoinKind: v1beta4.APIVersion,
		v1beta4.ResetKind: v1beta4.APIVersion, v1beta4.UpgradeKind: v1beta4.APIVersion,
		kubeletKind:         kubelet.SchemeGroupVersion.String(),
		kubeProxyKind:       kubeproxy.SchemeGroupVersion.String(),
		v1alpha1.AddonsKind: v1alpha1.APIVersion, v1alpha1.EndpointKind: v1alpha1.APIVersion,
	}
	want, known := newest[kind]
	if !known {
		d.bad("kind", kindAt, fmt.Sprintf("unknown kind %q", kind), "known are InitConfiguration, ClusterConfiguration, JoinConfiguration, ResetConfiguration, UpgradeConfiguration, KubeletConfiguration, KubeProxyConfiguration, Addons and Endpoint")
		return false
	}
	d.kind, d.apiVersion = kind, apiVersion
	older := apiVersion == v1beta3.APIVersion && slices.Contains([]string{v1beta4.InitKind, v1beta4.ClusterKind, v1beta4.JoinKind}, kind)
	if apiVersion != want && !older {
		hint := "write apiVersion: " + want
		if release := lastReader(apiVersion); release != "" {
			hint = "convert the file with a kubeadm of " + release + ": kubeadm config migrate --old-config old.yaml --new-config new.yaml"
		}
		d.bad("apiVersion", at, fmt.Sprintf("unknown apiVersion %q, must be %s", apiVersion, want), hint)
		return false
	}
	return true
}

// lastReader is the release of kubeadm that converts a version of its API that
// is no longer read.
func lastReader(apiVersion string) string {
	return map[string]string{
		"kubeadm.k8s.io/v1alpha1": "v1.11", "kubeadm.k8s.io/v1alpha2": "v1.12", "kubeadm.k8s.io/v1alpha3": "v1.14",
		"kubeadm.k8s.io/v1beta1": "v1.15", "kubeadm.k8s.io/v1beta2": "v1.22",
	}[apiVersion]
}

// header returns one of the two fields that say what a document is.
func (d *document) header(name string) (string, position, bool) {
	for i := 0; i+1 < len(d.root.Content); i += 2 {
		key, value := d.root.Content[i], d.root.Content[i+1]
		if key.Value != name {
			continue
		}
		at := position{value.Line, value.Column}
		if value.Kind != yaml.ScalarNode || scalarTag(value) != "!!str" || value.Value == "" {
			d.bad(name, at, "is "+describe(value)+", must be a string", "")
			return "", at, false
		}
		return value.Value, at, true
	}
	d.bad(name, d.positions[""], "is missing", "every document needs apiVersion and kind")
	return "", position{}, false
}
