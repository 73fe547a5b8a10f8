package discovery

import (
	"errors"
	"fmt"
	"net/url"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// kubeconfig is what discovery needs of one. The one in cluster-info has a
// single cluster with an empty name, and no context and no user.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Clusters       []struct {
		Name    string      `json:"name"`
		Cluster clusterInfo `json:"cluster"`
	} `json:"clusters"`
	Contexts []struct {
		Name    string `json:"name"`
		Context struct {
			Cluster string `json:"cluster"`
			User    string `json:"user"`
		} `json:"context"`
	} `json:"contexts"`
	Users []struct {
		Name string         `json:"name"`
		User map[string]any `json:"user"`
	} `json:"users"`
}

type clusterInfo struct {
	Server string `json:"server"`
	CA     []byte `json:"certificate-authority-data"`
	CAFile string `json:"certificate-authority"`
}

// defaultClusterName stands in for the empty name in cluster-info.
const defaultClusterName = "kubernetes"

// ClusterInfo reads the kubeconfig of a cluster's own cluster-info.
func ClusterInfo(data []byte) (Info, error) {
	info, _, err := parseKubeconfig(data)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return info, nil
}

// File is discovery from a kubeconfig that the administrator handed over: it
// is trusted as it is, so nothing is asked of the network. All credentials
// must be embedded, because the file goes on to another place.
func File(data []byte) (Info, error) {
	info, file, err := parseKubeconfig(data)
	if err != nil {
		return Info{}, fmt.Errorf("read discovery file: %w", err)
	}
	user, err := file.currentUser()
	if err != nil {
		return Info{}, fmt.Errorf("read discovery file: %w", err)
	}
	for _, name := range []string{"client-certificate", "client-key", "tokenFile"} {
		_, embedded := user[name+"-data"]
		_, token := user["token"]
		if path, _ := user[name].(string); path != "" && !embedded && !(name == "tokenFile" && token) {
			return Info{}, fmt.Errorf("read discovery file: %s is a path: embed the content", name)
		}
	}
	info.HasCredentials = len(user) > 0
	return info, nil
}

func parseKubeconfig(data []byte) (Info, kubeconfig, error) {
	var file kubeconfig
	if err := yaml.Unmarshal(data, &file); err != nil {
		// The parser quotes what it stumbled over, which may be a token.
		return Info{}, file, errors.New("not a valid kubeconfig document")
	}
	name, cluster, err := file.currentCluster()
	if err != nil {
		return Info{}, file, err
	}
	server, err := url.Parse(cluster.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil {
		return Info{}, file, errors.New("server is no https://host:port")
	}
	if len(cluster.CA) == 0 && cluster.CAFile != "" {
		return Info{}, file, errors.New("certificate-authority is a path: embed the content")
	}
	if _, err := parseCertificates(cluster.CA); err != nil {
		return Info{}, file, err
	}
	if name == "" {
		name = defaultClusterName
	}
	return Info{Server: cluster.Server, CA: cluster.CA, ClusterName: name, Kubeconfig: secret.NewBytes(data)}, file, nil
}

// currentCluster prefers the cluster without a name, as kubeadm does.
func (k kubeconfig) currentCluster() (string, clusterInfo, error) {
	names := []string{""}
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext {
			names = append(names, c.Context.Cluster)
		}
	}
	for _, name := range names {
		for _, entry := range k.Clusters {
			if entry.Name == name {
				return name, entry.Cluster, nil
			}
		}
	}
	return "", clusterInfo{}, errors.New("no current cluster in it")
}

func (k kubeconfig) currentUser() (map[string]any, error) {
	for _, c := range k.Contexts {
		if c.Name != k.CurrentContext || c.Context.User == "" {
			continue
		}
		for _, u := range k.Users {
			if u.Name == c.Context.User {
				return u.User, nil
			}
		}
		return nil, fmt.Errorf("user %q is not defined", c.Context.User)
	}
	return nil, nil
}
