package contract

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Objects adds the items of a List in JSON to a snapshot. Files come first:
// certificates in objects are told by them.
func (r *Run) Objects(s Snapshot, list []byte) error {
	var l struct{ Items []map[string]any }
	if err := json.Unmarshal(list, &l); err != nil {
		return fmt.Errorf("read objects: %w", err)
	}
	for _, o := range l.Items {
		place, ok := r.place(o)
		if !ok {
			continue
		}
		r.clean(o)
		for field, v := range o {
			if field == "data" && o["kind"] == "ConfigMap" {
				o[field] = r.embedded(v)
			} else {
				o[field] = r.value(v)
			}
		}
		s[place] = Thing{Content: map[string]any(o)}
	}
	return nil
}

var request = regexp.MustCompile(`^csr-[a-z0-9]+$`)

// place names an object. Pods are compared if they are the kubelet's picture
// of a static pod; the others are made from templates that are compared.
func (r *Run) place(o map[string]any) (string, bool) {
	metadata, _ := o["metadata"].(map[string]any)
	name := fmt.Sprint(metadata["name"])
	annotations, _ := metadata["annotations"].(map[string]any)
	if o["kind"] == "Pod" && annotations["kubernetes.io/config.mirror"] == nil {
		return "", false
	}
	if spec, ok := o["spec"].(map[string]any); ok && o["kind"] == "CertificateSigningRequest" && request.MatchString(name) {
		user := fmt.Sprint(spec["username"])
		if strings.HasPrefix(user, "system:node:") {
			user = "a node"
		}
		name = fmt.Sprintf("of %s for %v", user, spec["signerName"]) // its own is random
		metadata["name"] = name
	}
	if namespace := metadata["namespace"]; namespace != nil {
		name = fmt.Sprint(namespace) + "/" + name
	}
	return r.text(fmt.Sprintf("%s %s", o["kind"], name)), true
}

// clean takes out what the server and the controllers keep for themselves.
func (r *Run) clean(o map[string]any) {
	metadata := o["metadata"].(map[string]any)
	name := fmt.Sprint(metadata["name"])
	created, _ := time.Parse(time.RFC3339, fmt.Sprint(metadata["creationTimestamp"]))
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink"} {
		delete(metadata, field)
	}
	if owners, ok := metadata["ownerReferences"].([]any); ok {
		for _, owner := range owners {
			delete(owner.(map[string]any), "uid")
		}
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		// Hashes and moments of this very pod; its spec is compared.
		for _, name := range []string{"kubernetes.io/config.hash", "kubernetes.io/config.mirror", "kubernetes.io/config.seen", "deprecated.daemonset.template.generation"} {
			delete(annotations, name)
		}
	}
	delete(o, "status")
	data, _ := o["data"].(map[string]any)
	if annotations, ok := metadata["annotations"].(map[string]any); ok && annotations[configHash] == checksum(data) {
		annotations[configHash] = "that of the data"
	}
	switch o["kind"] {
	case "Secret":
		for key, v := range data {
			text, err := base64.StdEncoding.DecodeString(fmt.Sprint(v))
			if err != nil {
				continue
			}
			data[key] = string(text)
			at, err := time.Parse(time.RFC3339, string(text))
			switch {
			case key == "expiration" && err == nil:
				// Reckoned from the start of a run, which on a busy machine takes its time.
				data[key] = fmt.Sprintf("%s after it was made", at.Sub(created).Round(10*time.Minute))
			case key == "token-secret" && !r.Token:
				data[key] = fmt.Sprintf("%d characters", len(text))
			case key == "token-id" && strings.HasSuffix(name, "-"+string(text)):
				data[key] = r.text("bootstrap-token-" + string(text))
			}
		}
	case "ConfigMap":
		for key := range data {
			if strings.HasPrefix(key, "jws-kubeconfig-") {
				data[key] = "a signature over kubeconfig" // its value hangs on the CA's bytes
			}
		}
	case "Node":
		cleanNode(o)
	case "CertificateSigningRequest":
		if spec, ok := o["spec"].(map[string]any); ok {
			delete(spec, "uid")
			delete(spec, "extra")
		}
	}
}

// configHash is kubeadm's mark on a component's configuration that it generated
// itself. The data may hold the node's address, so the hash itself can differ.
const configHash = "kubeadm.kubernetes.io/component-config.hash"

func checksum(data map[string]any) string {
	hash := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprint(hash, data[key])
	}
	return fmt.Sprintf("sha256:%x", hash.Sum(nil))
}

// cleanNode leaves out what the node controller puts on and takes off with the
// node's condition.
func cleanNode(o map[string]any) {
	spec, _ := o["spec"].(map[string]any)
	taints, _ := spec["taints"].([]any)
	taints = slices.DeleteFunc(taints, func(t any) bool {
		return strings.HasPrefix(fmt.Sprint(t.(map[string]any)["key"]), "node.kubernetes.io/")
	})
	for _, t := range taints {
		delete(t.(map[string]any), "timeAdded")
	}
	if len(taints) == 0 {
		delete(spec, "taints")
		return
	}
	slices.SortFunc(taints, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	spec["taints"] = taints
}

// Unit adds what `systemctl show` prints about a unit.
func (r *Run) Unit(s Snapshot, name, properties string) {
	content := map[string]any{}
	for line := range strings.Lines(properties) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			content[key] = r.text(value)
		}
	}
	s["unit "+name] = Thing{Content: content}
}

// Input adds the documents that the run was given, by kind, so that a setting
// that had to be different is a difference too.
func (r *Run) Input(s Snapshot, documents string) {
	for doc := range strings.SplitSeq("\n"+documents, "\n---\n") {
		content := r.parse([]byte(doc))
		if m, ok := content.(map[string]any); ok {
			s[fmt.Sprintf("input %v", m["kind"])] = Thing{Content: content}
		}
	}
}
