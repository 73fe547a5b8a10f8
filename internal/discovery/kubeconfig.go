package discovery

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

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
		Name string   `json:"name"`
		User userInfo `json:"user"`
	} `json:"users"`
}

type clusterInfo struct {
	Server string `json:"server"`
	CA     []byte `json:"certificate-authority-data"`
	CAFile string `json:"certificate-authority"`
	name   string
}

type userInfo struct {
	Cert      []byte `json:"client-certificate-data"`
	CertFile  string `json:"client-certificate"`
	Key       []byte `json:"client-key-data"`
	KeyFile   string `json:"client-key"`
	Token     string `json:"token"`
	TokenFile string `json:"tokenFile"`

	Username     string `json:"username"`
	As           string `json:"as"`
	Exec         any    `json:"exec"`
	AuthProvider any    `json:"auth-provider"`
}

// defaultClusterName stands in for the empty name in cluster-info.
const defaultClusterName = "kubernetes"

// ClusterInfo reads the kubeconfig of a cluster's own cluster-info.
func ClusterInfo(data []byte) (Info, error) {
	info, err := parseKubeconfig(data)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return info, nil
}

// File is discovery from a kubeconfig that the administrator handed over: it
// is trusted as it is. read takes in what it refers to by path; nil refuses
// paths, as for a file from elsewhere, which must not name files of this
// machine for their content to be sent to the server that it also names.
func File(data []byte, read func(path string) ([]byte, error)) (Info, error) {
	info, err := fromFile(data, read)
	if err != nil {
		return Info{}, fmt.Errorf("read discovery file: %w", err)
	}
	return info, nil
}

func fromFile(data []byte, read func(path string) ([]byte, error)) (Info, error) {
	file, err := decodeKubeconfig(data)
	if err != nil {
		return Info{}, err
	}
	user, err := file.currentUser()
	if err != nil {
		return Info{}, err
	}
	if read == nil {
		read = func(string) ([]byte, error) { return nil, errors.New("is a path: embed the content") }
	}
	if err := file.embed(&user, read); err != nil {
		return Info{}, err
	}
	info, err := file.info(data)
	if err != nil {
		return Info{}, err
	}
	info.Cert, info.Key, info.Token = user.Cert, secret.NewBytes(user.Key), secret.NewString(user.Token)
	return info, user.check()
}

// embed reads the files that the current cluster and user refer to.
func (k *kubeconfig) embed(user *userInfo, read func(path string) ([]byte, error)) error {
	cluster, err := k.currentCluster()
	if err != nil {
		return err
	}
	var token []byte
	for _, file := range []struct {
		name, path string
		there      bool
		into       *[]byte
	}{
		{"certificate-authority", cluster.CAFile, len(cluster.CA) > 0, &cluster.CA},
		{"client-certificate", user.CertFile, len(user.Cert) > 0, &user.Cert},
		{"client-key", user.KeyFile, len(user.Key) > 0, &user.Key},
		{"tokenFile", user.TokenFile, user.Token != "", &token},
	} {
		if file.path == "" || file.there {
			continue
		}
		if *file.into, err = read(file.path); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
	}
	if len(token) > 0 {
		user.Token = strings.TrimSpace(string(token))
	}
	return nil
}

// check refuses what runs programs, and halves of a certificate.
func (u userInfo) check() error {
	switch {
	case u.Exec != nil || u.AuthProvider != nil || u.Username != "" || u.As != "":
		return errors.New("its user is neither a client certificate nor a token")
	case len(u.Cert) > 0 != (len(u.Key) > 0):
		return errors.New("its user has a certificate without a key, or a key without a certificate")
	case len(u.Cert) > 0:
		if _, err := tls.X509KeyPair(u.Cert, u.Key); err != nil {
			return errors.New("its user's certificate and key do not go together")
		}
	}
	return nil
}

func decodeKubeconfig(data []byte) (*kubeconfig, error) {
	file := &kubeconfig{}
	if err := yaml.Unmarshal(data, file); err != nil {
		// The parser quotes what it stumbled over, which may be a token.
		return nil, errors.New("not a valid kubeconfig document")
	}
	return file, nil
}

func parseKubeconfig(data []byte) (Info, error) {
	file, err := decodeKubeconfig(data)
	if err != nil {
		return Info{}, err
	}
	return file.info(data)
}

func (k *kubeconfig) info(data []byte) (Info, error) {
	cluster, err := k.currentCluster()
	if err != nil {
		return Info{}, err
	}
	server, err := url.Parse(cluster.Server)
	if err != nil || server.Scheme != "https" || server.Host == "" || server.User != nil {
		return Info{}, errors.New("server is no https://host:port")
	}
	if len(cluster.CA) == 0 && cluster.CAFile != "" {
		return Info{}, errors.New("certificate-authority is a path: embed the content")
	}
	if _, err := parseCertificates(cluster.CA); err != nil {
		return Info{}, err
	}
	return Info{Server: cluster.Server, CA: cluster.CA, ClusterName: cmp.Or(cluster.name, defaultClusterName), Kubeconfig: secret.NewBytes(data)}, nil
}

// currentCluster prefers the cluster without a name, as kubeadm does.
func (k *kubeconfig) currentCluster() (*clusterInfo, error) {
	names := []string{""}
	for _, c := range k.Contexts {
		if c.Name == k.CurrentContext {
			names = append(names, c.Context.Cluster)
		}
	}
	for _, name := range names {
		for i := range k.Clusters {
			if k.Clusters[i].Name == name {
				k.Clusters[i].Cluster.name = name
				return &k.Clusters[i].Cluster, nil
			}
		}
	}
	return nil, errors.New("no current cluster in it")
}

func (k *kubeconfig) currentUser() (userInfo, error) {
	for _, c := range k.Contexts {
		if c.Name != k.CurrentContext || c.Context.User == "" {
			continue
		}
		for _, u := range k.Users {
			if u.Name == c.Context.User {
				return u.User, nil
			}
		}
		return userInfo{}, fmt.Errorf("user %q is not defined", c.Context.User)
	}
	return userInfo{}, nil
}
