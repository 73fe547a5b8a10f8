// Package patch reads and applies users' patches of what is rendered, in
// kubeadm's form: files named target[suffix][+type].yaml or .json, several
// documents in each, applied in the order of their names. What comes out is
// what kubeadm would have written with the same files.
//
// It is pure: bytes in, bytes out. It refuses what kubeadm passes over in
// silence and what could only be a mistake: a field that the patched object
// does not have, a key that is given twice. Errors name the file and the
// target and never hold the patch, which may hold credentials.
package patch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// The targets that are no static pods. Those are called by the names of their
// pods.
const (
	Kubelet = "kubeletconfiguration"
	CoreDNS = "corednsdeployment"
)

// Targets is everything that can be patched.
func Targets() []string {
	return []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", Kubelet, CoreDNS}
}

// ErrNoPatch reports a file whose name is not that of a patch: kubeadm passes
// over it.
var ErrNoPatch = errors.New("not a patch")

// Name says what a file patches, and how.
func Name(file string) (target string, kind cluster.PatchType, err error) {
	if !regexp.MustCompile(`.+\.(json|yaml)$`).MatchString(file) {
		return "", "", fmt.Errorf("%w: the name ends in neither .yaml nor .json", ErrNoPatch)
	}
	parts := regexp.MustCompile(`^(` + strings.Join(Targets(), "|") + `)[^.+\n]*(\+?)(json|merge|strategic)?`).FindStringSubmatch(file)
	if parts == nil {
		return "", "", fmt.Errorf("%w: the name begins with no target", ErrNoPatch)
	}
	switch plus, kind := parts[2], cluster.PatchType(parts[3]); {
	case plus == "":
		return parts[1], cluster.PatchStrategic, nil
	case kind == "":
		return "", "", errors.New("after the + of the name comes strategic, merge or json")
	default:
		return parts[1], kind, nil
	}
}

// Read returns the patches of one file, in their order. A file without any is
// no error.
func Read(file, target string, kind cluster.PatchType, data []byte) ([]cluster.Patch, error) {
	var out []cluster.Patch
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, &Error{File: file, Target: target, Err: fmt.Errorf("split documents: %w", err)}
		}
		if doc = bytes.TrimSpace(doc); len(doc) == 0 {
			continue
		}
		asJSON, err := yaml.YAMLToJSONStrict(doc)
		if err == nil && string(asJSON) == "null" {
			continue // comments only
		}
		if err == nil {
			err = fits(kind, asJSON)
		}
		if err != nil {
			return nil, &Error{File: file, Target: target, Err: err}
		}
		out = append(out, cluster.Patch{Target: target, Type: kind, File: file, JSON: asJSON})
	}
}

// fits tells whether a document is of the shape of its type.
func fits(kind cluster.PatchType, asJSON []byte) error {
	if kind != cluster.PatchJSON {
		if asJSON[0] != '{' {
			return fmt.Errorf("a %s patch is a mapping", kind)
		}
		return nil
	}
	operations, err := jsonpatch.DecodePatch(asJSON)
	if err != nil {
		return errors.New("a json patch is a list of operations with op, path and value")
	}
	for i, operation := range operations {
		if op := operation.Kind(); !slices.Contains([]string{"add", "remove", "replace", "move", "copy", "test"}, op) {
			return fmt.Errorf("operation %d of the json patch has the unknown op %q", i+1, op)
		}
		if path, err := operation.Path(); err != nil || path != "" && path[0] != '/' {
			return fmt.Errorf("operation %d of the json patch has no path that begins with /", i+1)
		}
	}
	return nil
}

// For are the patches of a target.
func For(patches []cluster.Patch, target string) []cluster.Patch {
	var out []cluster.Patch
	for _, p := range patches {
		if p.Target == target {
			out = append(out, p)
		}
	}
	return out
}

// Apply lays the patches of a target over data, a YAML or JSON document of the
// type of object, a struct, and returns the result as JSON.
func Apply(patches []cluster.Patch, target string, data []byte, object any) ([]byte, error) {
	patched, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, fmt.Errorf("patch %s: %w", target, err)
	}
	var wrong error // what is wrong with the result, and since which patch
	for _, p := range For(patches, target) {
		if patched, err = one(p, patched, object); err != nil {
			return nil, &Error{File: p.File, Target: target, Err: err}
		}
		if err := decodes(patched, object); err == nil {
			wrong = nil
		} else if wrong == nil {
			wrong = &Error{File: p.File, Target: target, Err: err}
		}
	}
	if wrong != nil {
		return nil, wrong
	}
	return patched, nil
}

func one(p cluster.Patch, data []byte, object any) ([]byte, error) {
	switch p.Type {
	case cluster.PatchJSON:
		operations, err := jsonpatch.DecodePatch(p.JSON)
		if err != nil {
			return nil, err
		}
		return operations.Apply(data)
	case cluster.PatchMerge:
		return jsonpatch.MergePatch(data, p.JSON)
	default:
		return mergeStrategic(data, p.JSON, object)
	}
}

// mergeStrategic makes an error of the library's panic over directives that
// are no lists of names, such as $retainKeys with a mapping in it.
func mergeStrategic(data, patch []byte, object any) (patched []byte, err error) {
	defer func() {
		if recover() != nil {
			patched, err = nil, errUnfit
		}
	}()
	patched, err = strategicpatch.StrategicMergePatch(data, patch, object)
	return patched, strategic(err)
}

var errUnfit = errors.New("the strategic merge patch does not fit: the items of a list of objects need their key, which is mostly name, and $patch is delete, merge or replace")

// strategic keeps errors that quote the patch to itself.
func strategic(err error) error {
	for _, silent := range []error{
		mergepatch.ErrBadJSONDoc, mergepatch.ErrNoListOfLists, mergepatch.ErrBadPatchFormatForPrimitiveList, mergepatch.ErrBadPatchFormatForRetainKeys,
		mergepatch.ErrBadPatchFormatForSetElementOrderList, mergepatch.ErrPatchContentNotMatchRetainKeys, mergepatch.ErrUnsupportedStrategicMergePatchFormat,
	} {
		if err == nil || errors.Is(err, silent) {
			return err
		}
	}
	return errUnfit
}

// decodes tells whether data is a whole object of its type.
func decodes(data []byte, object any) error {
	unknown, err := kjson.UnmarshalStrict(data, reflect.New(reflect.TypeOf(object)).Interface())
	if err != nil {
		return fmt.Errorf("the result is no %s: %w", reflect.TypeOf(object).Name(), err)
	}
	return errors.Join(unknown...)
}

// Error reports a patch that is wrong or that does not fit what it patches.
type Error struct {
	File, Target string
	Err          error
}

func (e *Error) Error() string {
	return fmt.Sprintf("apply patch %s to %s: %v", e.File, e.Target, e.Err)
}
func (e *Error) Unwrap() error { return e.Err }

// Hint is the file to mend.
func (e *Error) Hint() string { return "correct " + e.File + ", or leave --patches out" }
