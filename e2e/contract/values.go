package contract

import (
	"encoding/base64"
	"regexp"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Run is what is known of the run that made a snapshot.
type Run struct {
	Started time.Time
	// Rename replaces texts that the two machines cannot have in common.
	Rename *strings.Replacer
	// Token says that the bootstrap token was asked for by its value.
	Token bool

	known []authority
}

func (r *Run) text(s string) string {
	if r.Rename != nil {
		s = r.Rename.Replace(s)
	}
	if !r.Token {
		s = tokenName.ReplaceAllString(s, "${1}ID")
	}
	return moment.ReplaceAllString(s, "${1}MOMENT$2")
}

// tokenName is a name made from a token's ID.
var tokenName = regexp.MustCompile(`\b(bootstrap-token-|jws-kubeconfig-)[a-z0-9]{6}\b`)

// moment is the time in the names that the kubelet gives its certificates.
var moment = regexp.MustCompile(`(kubelet-(?:client|server)-|-ca@|^CN=[^,]*@)\d{4}[-\d]*\d(\.pem|$)?`)

// parse makes a tree of a file's or a field's bytes: PEM, YAML and JSON by
// what they mean, anything else as text.
func (r *Run) parse(data []byte) any {
	if list := r.describePEM(data); list != nil && strings.HasPrefix(strings.TrimSpace(string(data)), "-----BEGIN ") {
		return list
	}
	var v any
	if err := yaml.Unmarshal(data, &v); err == nil {
		switch v.(type) {
		case map[string]any, []any:
			return r.value(v)
		}
	}
	return r.text(string(data))
}

// value replaces in a parsed value what two runs cannot have in common.
func (r *Run) value(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for key, item := range v {
			m[r.text(key)] = r.value(item)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = r.value(item)
		}
		return list
	case string:
		if list := r.describePEM([]byte(v)); list != nil {
			return list
		}
		if len(v) > 100 {
			if data, err := base64.StdEncoding.DecodeString(v); err == nil {
				if list := r.describePEM(data); list != nil {
					return list
				}
			}
		}
		return r.text(v)
	}
	return v
}

// embedded is value for the strings of a ConfigMap's data, which are whole
// documents.
func (r *Run) embedded(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return r.value(v)
	}
	parsed := map[string]any{}
	for key, item := range m {
		if text, ok := item.(string); ok {
			parsed[r.text(key)] = r.parse([]byte(text))
		} else {
			parsed[r.text(key)] = r.value(item)
		}
	}
	return parsed
}
