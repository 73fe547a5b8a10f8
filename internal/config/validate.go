package config

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/clusteradm/clusteradm/internal/config/v1alpha1"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// Validated is what a valid file holds.
type Validated struct {
	Kinds    []string // sorted
	Warnings Errors
}

// Validate checks every document, whichever command it is for. The error is an
// Errors, unless no token could be made.
func Validate(docs []byte, in Inputs) (*Validated, error) {
	c, _, err := loadAll(docs, in)
	if err == nil {
		err = c.result()
	}
	if err != nil {
		return nil, err
	}
	return &Validated{Kinds: sortedKeys(c.docs), Warnings: c.warned()}, nil
}

// Empty reports an input without a document. Loading it gives all defaults.
func Empty(input []byte) bool {
	docs, errs := split(input)
	return len(docs) == 0 && len(errs) == 0
}

// loadAll completes and checks whatever is given.
func loadAll(docs []byte, in Inputs) (*checker, *given, error) {
	c := newChecker(docs, in)
	given := c.decodeAll()
	if c.count == 0 && len(c.errs) == 0 {
		c.errs = append(c.errs, FieldError{Message: "no document", Hint: "clusteradm config print init-defaults"})
	}
	if c.given(initKinds()...) {
		if _, err := c.loadInit(given, in); err != nil {
			return nil, nil, err
		}
	}
	if c.given(v1beta4.JoinKind) {
		c.loadJoin(&given.join, in)
	}
	if c.given(v1beta4.ResetKind) {
		c.loadReset(&given.reset, in)
	}
	if c.given(v1beta4.UpgradeKind) {
		defaultUpgrade(&given.upgrade)
		c.upgrade(&given.upgrade)
	}
	return c, given, nil
}

// given tells whether there is a document of one of the kinds.
func (c *checker) given(kinds ...string) bool {
	return slices.ContainsFunc(kinds, func(kind string) bool { return c.docs[kind] != nil })
}

// Migrate writes the documents anew in the newest version of their API, with
// kubeadm's defaults filled in, as kubeadm's migrate does. What only the
// machine can tell stays out, so that the result serves any machine, and so do
// defaults that are not kubeadm's; documents of other APIs, which kubeadm drops,
// are kept as they are.
func Migrate(docs []byte, in Inputs) ([]byte, Errors, error) {
	in.Elsewhere = true
	before := newChecker(docs, in).decodeAll()
	c, given, err := loadAll(docs, in)
	if err == nil {
		err = c.result()
	}
	if err != nil {
		return nil, nil, err
	}
	given.keepOpen(before)
	// A timeout of the ClusterConfiguration has moved into these two.
	_, toInit := c.moved[place{v1beta4.InitKind, "timeouts.controlPlaneComponentHealthCheck"}]
	given.init.APIVersion, given.init.Kind = v1beta4.APIVersion, v1beta4.InitKind
	given.cluster.APIVersion, given.join.APIVersion = v1beta4.APIVersion, v1beta4.APIVersion
	var out [][]byte
	for _, one := range []struct {
		kind  string
		conf  any
		given bool
	}{
		{v1beta4.InitKind, &given.init, c.given(v1beta4.InitKind) || toInit},
		{v1beta4.ClusterKind, &given.cluster, c.given(v1beta4.ClusterKind)},
		{v1beta4.JoinKind, &given.join, c.given(v1beta4.JoinKind)},
		{v1beta4.ResetKind, &given.reset, c.given(v1beta4.ResetKind)},
		{v1beta4.UpgradeKind, &given.upgrade, c.given(v1beta4.UpgradeKind)},
	} {
		if !one.given {
			continue
		}
		data, err := yaml.Marshal(one.conf)
		if err != nil {
			return nil, nil, fmt.Errorf("marshal %s: %w", one.kind, err)
		}
		out = append(out, data)
	}
	for _, kind := range []string{kubeletKind, kubeProxyKind, v1alpha1.AddonsKind, v1alpha1.EndpointKind} {
		if !c.given(kind) {
			continue
		}
		data, err := c.docs[kind].text()
		if err != nil {
			return nil, nil, fmt.Errorf("marshal %s: %w", kind, err)
		}
		out = append(out, data)
	}
	return bytes.Join(out, []byte("---\n")), c.warned(), nil
}

// keepOpen takes the defaults out again in which kubeadm differs: written down,
// they would change what the file means to it.
func (g *given) keepOpen(before *given) {
	g.cluster.EncryptionAlgorithm = before.cluster.EncryptionAlgorithm
	g.init.NodeRegistration.ImagePullSerial = before.init.NodeRegistration.ImagePullSerial
	g.join.NodeRegistration.ImagePullSerial = before.join.NodeRegistration.ImagePullSerial
	g.upgrade.Apply.ImagePullSerial = before.upgrade.Apply.ImagePullSerial
	g.upgrade.Node.ImagePullSerial = before.upgrade.Node.ImagePullSerial
}

// text is the document as its author wrote it, but for blanks and aliases.
func (d *document) text() ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml3.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(d.root); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}
