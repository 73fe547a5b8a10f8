package manifests

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// flags renders defaults sorted by name, without those that extra names, and
// then extra in the order given: some flags may be repeated, and then their
// order means something.
func flags(defaults map[string]string, extra []cluster.Arg) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		if _, replaced := argValue(extra, name); !replaced {
			out = append(out, "--"+name+"="+defaults[name])
		}
	}
	for _, a := range extra {
		out = append(out, "--"+a.Name+"="+a.Value)
	}
	return out
}

// argValue returns the last value given to name, the one that wins in a
// component that takes the flag once.
func argValue(args []cluster.Arg, name string) (string, bool) {
	for _, a := range slices.Backward(args) {
		if a.Name == name {
			return a.Value, true
		}
	}
	return "", false
}

// env merges lists of variables, later ones winning, sorted by name.
func env(lists ...[]cluster.EnvVar) []corev1.EnvVar {
	byName := map[string]string{}
	for _, list := range lists {
		for _, v := range list {
			byName[v.Name] = v.Value
		}
	}
	var out []corev1.EnvVar
	for name, value := range byName {
		out = append(out, corev1.EnvVar{Name: name, Value: value})
	}
	slices.SortFunc(out, func(a, b corev1.EnvVar) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// ProxyEnv picks the HTTP proxy variables out of an environment of
// "NAME=value" entries.
func ProxyEnv(environ []string) []cluster.EnvVar {
	var out []cluster.EnvVar
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if ok && value != "" && strings.HasSuffix(strings.ToLower(name), "_proxy") {
			out = append(out, cluster.EnvVar{Name: name, Value: value})
		}
	}
	return out
}
