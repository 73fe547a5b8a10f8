package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Rejoin is the static pod of an etcd member that joins its cluster anew: as
// the manifest has it, whoever wrote and patched it, but for the members that
// it is told of.
func Rejoin(manifest []byte, initial []Member) ([]byte, error) {
	var p corev1.Pod
	if err := yaml.Unmarshal(manifest, &p); err != nil || p.Kind != "Pod" || len(p.Spec.Containers) == 0 {
		return nil, errors.New("read manifest of etcd: it is no pod")
	}
	c := &p.Spec.Containers[max(0, slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == p.Name }))]
	members := make([]string, 0, len(initial))
	for _, m := range initial {
		members = append(members, m.Name+"="+m.PeerURL)
	}
	words := &c.Command
	if slices.ContainsFunc(c.Args, func(word string) bool { return flagName(word) == "initial-cluster" }) {
		words = &c.Args
	}
	// An etcd without data that is told of no cluster would found one.
	for _, flag := range [][2]string{{"initial-cluster", strings.Join(members, ",")}, {"initial-cluster-state", "existing"}} {
		*words = setFlag(*words, flag[0], flag[1])
	}
	data, err := yaml.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", EtcdName, err)
	}
	return data, nil
}

// flagName is the name of the flag that a word of a command line begins.
func flagName(word string) string {
	if !strings.HasPrefix(word, "-") {
		return ""
	}
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return name
}

// setFlag gives a flag a value, in its place if it has one.
func setFlag(words []string, name, value string) []string {
	set := "--" + name + "=" + value
	at := slices.IndexFunc(words, func(word string) bool { return flagName(word) == name })
	if at < 0 {
		return append(slices.Clone(words), set)
	}
	kept := slices.Clone(words[:at+1])
	kept[at] = set
	rest := words[at+1:]
	if !strings.Contains(words[at], "=") && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		rest = rest[1:] // the value was a word of its own
	}
	for i := 0; i < len(rest); i++ {
		if flagName(rest[i]) != name { // the last one counts, so there is one
			kept = append(kept, rest[i])
		}
	}
	return kept
}
