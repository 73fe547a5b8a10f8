package manifests

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// Flags reads a static pod's command line back from its manifest: what the
// component really runs with, whoever wrote it. Its container is called as the
// pod: a patch puts one of the user's own before it. Of a flag that is given more
// than once the last one counts; one without a value is "true".
func Flags(manifest []byte) (map[string]string, error) {
	var p corev1.Pod
	if err := yaml.Unmarshal(manifest, &p); err != nil {
		// The parser's message can quote the content, which can hold credentials.
		return nil, errors.New("read manifest: not a valid yaml document of a pod")
	}
	if p.Kind != "Pod" || len(p.Spec.Containers) == 0 {
		return nil, fmt.Errorf("read manifest: it is a %q with %d containers, not a pod", p.Kind, len(p.Spec.Containers))
	}
	own := p.Spec.Containers[max(0, slices.IndexFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == p.Name }))]
	flags := map[string]string{}
	words := slices.Concat(own.Command, own.Args)
	for i, word := range words {
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !strings.HasPrefix(word, "-") || name == "" {
			continue
		}
		if !given {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
		}
		flags[name] = value
	}
	return flags, nil
}
