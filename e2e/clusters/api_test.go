package clusters

import "testing"

func TestParseKubeconfigRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no YAML": "\t", "no authority": "clusters: [{cluster: {server: 'https://x'}}]\nusers: [{user: {}}]\n",
	} {
		if _, err := ParseKubeconfig([]byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
