package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta3"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	kubeproxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
)

// checker collects what is wrong with an input. It knows where in the
// documents, or from which flag, every field came.
type checker struct {
	docs     map[string]*document // by kind
	count    int
	flags    map[string]string // by kind and path
	moved    map[place]place   // from where a field is now to where an older version has it
	errs     Errors
	warnings Errors
	sockets  []string // of container runtimes, found on the machine
	// existing says that a cluster runs with this configuration: what would be
	// unwise in a new one must not keep it from being joined, upgraded or
	// rescued, so only what could do harm is refused.
	existing bool
	// elsewhere says that the configuration is not for this machine: what only
	// its own machine can tell is not missed.
	elsewhere bool
	known     []string // names of checks, see Inputs
	// allowDeprecated is that of Inputs.
	allowDeprecated bool
}

func newChecker(input []byte, in Inputs) *checker {
	docs, errs := split(input)
	c := &checker{docs: map[string]*document{}, count: len(docs), flags: map[string]string{}, moved: map[place]place{}, errs: errs, sockets: in.CRISockets, known: in.KnownChecks, elsewhere: in.Elsewhere, allowDeprecated: in.AllowDeprecated}
	for _, doc := range docs {
		c.docs[doc.kind] = doc
	}
	return c
}

// decode fills out from the document of a kind, if there is one.
func (c *checker) decode(kind string, out any) {
	if doc, ok := c.docs[kind]; ok {
		doc.decode(out)
		c.errs = append(c.errs, doc.errs...)
	}
}

// given is what the documents say, one value of every kind. What a command has
// no use for is decoded too: a mistake in it is a mistake.
type given struct {
	init     v1beta4.InitConfiguration
	cluster  v1beta4.ClusterConfiguration
	join     v1beta4.JoinConfiguration
	reset    v1beta4.ResetConfiguration
	upgrade  v1beta4.UpgradeConfiguration
	addons   v1alpha1.Addons
	endpoint v1alpha1.Endpoint
	kubelet  kubelet.KubeletConfiguration
	proxy    kubeproxy.KubeProxyConfiguration
}

func (c *checker) decodeAll() *given {
	out := &given{}
	c.decodeInit(&out.init)
	c.decodeJoin(&out.join)
	c.decodeCluster(&out.cluster, &out.init, &out.join)
	c.decode(v1beta4.ResetKind, &out.reset)
	c.decode(v1beta4.UpgradeKind, &out.upgrade)
	c.decode(v1alpha1.AddonsKind, &out.addons)
	c.decode(v1alpha1.EndpointKind, &out.endpoint)
	c.decode(kubeletKind, &out.kubelet)
	c.decode(kubeProxyKind, &out.proxy)
	for _, kind := range sortedKeys(c.docs) {
		if c.older(kind) && !c.allowDeprecated {
			c.at(kind, "apiVersion").warn(v1beta3.APIVersion+" is deprecated", "clusteradm config migrate --old-config old.yaml --new-config new.yaml")
		}
	}
	return out
}

// needOneOf refuses a file that is about something else altogether.
func (c *checker) needOneOf(kinds ...string) {
	if c.count == 0 {
		return
	}
	if !c.given(kinds...) && len(c.errs) == 0 {
		c.errs = append(c.errs, FieldError{Message: "no document of kind " + strings.Join(kinds, ", ")})
	}
}

// unusedBut lists the kinds that were given besides those that are used.
func (c *checker) unusedBut(used ...string) []string {
	var unused []string
	for _, kind := range sortedKeys(c.docs) {
		if !slices.Contains(used, kind) {
			unused = append(unused, kind)
		}
	}
	return unused
}

func (c *checker) fromFlag(kind, path, flag string) { c.flags[kind+" "+path] = flag }

func (c *checker) result() error { return c.errs.orNil() }

// warned are the warnings, in the order of lines.
func (c *checker) warned() Errors {
	c.warnings.sort()
	return c.warnings
}

// field is one field of a document, or of a document that was not given.
type field struct {
	c    *checker
	kind string
	path string
}

func (c *checker) at(kind, path string) field { return field{c, kind, path} }

func (f field) child(name string) field { return field{f.c, f.kind, join(f.path, name)} }
func (f field) item(i int) field        { return field{f.c, f.kind, index(f.path, i)} }

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// bad reports the field as wrong. What could not even be decoded is not
// reported again for the value it therefore lacks.
func (f field) bad(message, hint string) {
	e, report := f.locate()
	if !report {
		return
	}
	e.Message, e.Hint = message, hint
	f.c.errs = append(f.c.errs, e)
}

// warn reports a value that is valid but not recommended.
func (f field) warn(message, hint string) {
	if e, report := f.locate(); report {
		e.Message, e.Hint = message, hint
		f.c.warnings = append(f.c.warnings, e)
	}
}

// locate finds where the field was set, or the nearest thing around it.
func (f field) locate() (e FieldError, report bool) {
	e = FieldError{Kind: f.kind, Path: f.path}
	for path := f.path; path != ""; path = parent(path) {
		if flag := f.c.flags[f.kind+" "+path]; flag != "" {
			e.Flag = flag
			return e, true
		}
	}
	if old, ok := f.c.moved[place{f.kind, f.path}]; ok {
		f.kind, f.path = old.kind, old.path
		e.Kind, e.Path = old.kind, old.path
	}
	doc := f.c.docs[f.kind]
	if doc == nil {
		return e, true
	}
	e.Document = doc.index
	for path := f.path; ; path = parent(path) {
		if doc.broken[path] {
			return e, false
		}
		if at, ok := doc.positions[path]; ok && e.Line == 0 {
			e.Line, e.Column = at.line, at.column
		}
		if path == "" {
			return e, true
		}
	}
}

// parent takes the last name or index off a path.
func parent(path string) string {
	if cut := strings.LastIndexAny(path, ".["); cut > 0 {
		return path[:cut]
	}
	return ""
}
