package pki

import (
	"errors"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/secret"
)

var errNotKubeconfig = errors.New("not a kubeconfig whose current context has a cluster and a user")

// replaceClient gives the current context's user another certificate and key,
// and its cluster the CA, as kubeadm does. All else stays: people add contexts
// of their own to their admin.conf.
func replaceClient(data secret.Bytes, caPEM []byte, client Pair) (secret.Bytes, error) {
	var d map[string]any
	if err := yaml.Unmarshal(data.Reveal(), &d); err != nil {
		return secret.Bytes{}, errNotKubeconfig // the parser's message can quote the content
	}
	current, _ := d["current-context"].(string)
	context := named(d, "contexts", current, "context")
	user, _ := context["user"].(string)
	clusterName, _ := context["cluster"].(string)
	info, server := named(d, "users", user, "user"), named(d, "clusters", clusterName, "cluster")
	if info == nil || server == nil {
		return secret.Bytes{}, errNotKubeconfig
	}
	info["client-certificate-data"], info["client-key-data"] = client.Cert, client.Key.Reveal()
	if _, embedded := server["certificate-authority-data"]; embedded {
		server["certificate-authority-data"] = caPEM
	}
	out, err := yaml.Marshal(d)
	if err != nil {
		return secret.Bytes{}, errNotKubeconfig
	}
	return secret.NewBytes(out), nil
}

// named finds what a list of a kubeconfig has under a name.
func named(d map[string]any, list, name, field string) map[string]any {
	entries, _ := d[list].([]any)
	for _, e := range entries {
		if entry, ok := e.(map[string]any); ok && entry["name"] == name {
			found, _ := entry[field].(map[string]any)
			return found
		}
	}
	return nil
}

// EncodeUserToken returns the kubeconfig of k's user with a token in place of a
// certificate.
func EncodeUserToken(k KubeconfigSpec, caPEM []byte, token secret.String) secret.Bytes {
	return encode(k.Cluster, k.Server, k.Client.CommonName, caPEM, userInfo{Token: token.Reveal()})
}
