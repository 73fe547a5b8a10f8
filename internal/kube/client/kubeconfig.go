package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// kubeconfig is the part of a v1 Config that clusteradm understands. []byte
// fields are base64 in the file.
type kubeconfig struct {
	CurrentContext string `json:"current-context"`
	Clusters       []struct {
		Name    string `json:"name"`
		Cluster struct {
			Server        string `json:"server"`
			TLSServerName string `json:"tls-server-name"`
			Insecure      bool   `json:"insecure-skip-tls-verify"`
			CAFile        string `json:"certificate-authority"`
			CA            []byte `json:"certificate-authority-data"`
			ProxyURL      string `json:"proxy-url"`
		} `json:"cluster"`
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
		User kubeconfigUser `json:"user"`
	} `json:"users"`
}

type kubeconfigUser struct {
	CertFile  string `json:"client-certificate"`
	Cert      []byte `json:"client-certificate-data"`
	KeyFile   string `json:"client-key"`
	Key       []byte `json:"client-key-data"`
	Token     string `json:"token"`
	TokenFile string `json:"tokenFile"`

	Username     string `json:"username"`
	As           string `json:"as"`
	Exec         any    `json:"exec"`
	AuthProvider any    `json:"auth-provider"`
}

// FromKubeconfig reads the current context of a kubeconfig. Paths in it are
// returned in Files and not read; embedded data wins over a path. What would
// weaken the connection or run a program is refused.
func FromKubeconfig(data []byte) (Config, error) {
	config, err := fromKubeconfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	return config, nil
}

func fromKubeconfig(data []byte) (Config, error) {
	var file kubeconfig
	if err := yaml.Unmarshal(data, &file); err != nil {
		// The parser quotes what it stumbled over, which may be a key.
		return Config{}, errors.New("not a valid kubeconfig document")
	}
	clusterName, userName, found := "", "", false
	for _, c := range file.Contexts {
		if c.Name == file.CurrentContext {
			clusterName, userName, found = c.Context.Cluster, c.Context.User, true
		}
	}
	if !found {
		return Config{}, fmt.Errorf("current-context %q is not defined", file.CurrentContext)
	}
	var config Config
	if err := file.cluster(clusterName, &config); err != nil {
		return Config{}, err
	}
	if userName == "" {
		return config, nil
	}
	return config, file.user(userName, &config)
}

func (k kubeconfig) cluster(name string, config *Config) error {
	for _, entry := range k.Clusters {
		if entry.Name != name {
			continue
		}
		c := entry.Cluster
		if c.Insecure {
			return fmt.Errorf("cluster %q: insecure-skip-tls-verify is not supported", name)
		}
		config.Server, config.ServerName, config.CA = c.Server, c.TLSServerName, c.CA
		if len(c.CA) == 0 {
			config.Files.CA = c.CAFile
		}
		if c.ProxyURL != "" {
			proxy, err := url.Parse(c.ProxyURL)
			if err != nil {
				return fmt.Errorf("cluster %q: proxy-url is not a URL", name)
			}
			config.Proxy = http.ProxyURL(proxy)
		}
		return nil
	}
	return fmt.Errorf("cluster %q is not defined", name)
}

func (k kubeconfig) user(name string, config *Config) error {
	for _, entry := range k.Users {
		if entry.Name != name {
			continue
		}
		u := entry.User
		if u.Exec != nil || u.AuthProvider != nil || u.Username != "" || u.As != "" {
			return fmt.Errorf("user %q: only client certificates and tokens are supported", name)
		}
		config.Cert, config.Key, config.Token = u.Cert, secret.NewBytes(u.Key), secret.NewString(u.Token)
		if len(u.Cert) == 0 {
			config.Files.Cert = u.CertFile
		}
		if len(u.Key) == 0 {
			config.Files.Key = u.KeyFile
		}
		if u.Token == "" {
			config.Files.Token = u.TokenFile
		}
		return nil
	}
	return fmt.Errorf("user %q is not defined", name)
}
