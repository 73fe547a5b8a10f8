package session

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/kube/client"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// callTimeout bounds one request of a command that has a cluster to talk to
// and no configuration that says how long to wait for it.
const callTimeout = 10 * time.Second

// NoKubeconfigError reports that there is nothing to reach a cluster with.
type NoKubeconfigError struct{ Tried []string }

func (e *NoKubeconfigError) Error() string {
	return "find kubeconfig: none of " + strings.Join(e.Tried, ", ") + " is there"
}

// Hint is where one is.
func (e *NoKubeconfigError) Hint() string {
	return "run it on a control plane, or give --kubeconfig"
}

// kubeconfig is the file to use where the flag --kubeconfig was given or not:
// then it is, as with kubeadm, the first that is there of $KUBECONFIG or
// ~/.kube/config, and admin.conf.
func (s *Session) kubeconfig(flag string) (path string, data []byte, err error) {
	if flag != "" {
		data, err = s.ReadFile(flag)
		if err != nil {
			return "", nil, fmt.Errorf("read kubeconfig: %w", err)
		}
		return flag, data, nil
	}
	tried := s.kubeconfigs()
	for _, path := range tried {
		data, err := s.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", nil, fmt.Errorf("read kubeconfig: %w", err)
		}
		return path, data, nil
	}
	return "", nil, &NoKubeconfigError{tried}
}

func (s *Session) kubeconfigs() []string {
	var paths []string
	for _, path := range filepath.SplitList(s.env("KUBECONFIG")) {
		if path != "" {
			paths = append(paths, path)
		}
	}
	if home := s.env("HOME"); len(paths) == 0 && home != "" {
		paths = append(paths, filepath.Join(home, ".kube", "config"))
	}
	return append(paths, cluster.AdminConf)
}

func (s *Session) env(name string) string {
	value := ""
	for _, pair := range s.Environ {
		if rest, ok := strings.CutPrefix(pair, name+"="); ok {
			value = rest
		}
	}
	return value
}

// Client talks to the cluster of a kubeconfig; flag is that of the command,
// empty for the usual places. It opens no connection.
func (s *Session) Client(flag string) (*client.Client, error) {
	path, data, err := s.kubeconfig(flag)
	if err != nil {
		return nil, err
	}
	config, err := client.FromKubeconfig(data)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", path, err)
	}
	if err := s.readFiles(filepath.Dir(path), &config); err != nil {
		return nil, fmt.Errorf("use %s: %w", path, err)
	}
	config.Dial, config.Timeout = s.Machine.DialHost, callTimeout
	c, err := client.New(config)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", path, err)
	}
	return c, nil
}

// readFiles takes in what a kubeconfig refers to, relative to its directory.
func (s *Session) readFiles(dir string, config *client.Config) error {
	files := config.Files
	config.Files = client.Files{}
	for _, file := range []struct {
		path string
		take func([]byte)
	}{
		{files.CA, func(data []byte) { config.CA = data }},
		{files.Cert, func(data []byte) { config.Cert = data }},
		{files.Key, func(data []byte) { config.Key = secret.NewBytes(data) }},
		{files.Token, func(data []byte) { config.Token = secret.NewString(strings.TrimSpace(string(data))) }},
	} {
		if file.path == "" {
			continue
		}
		if !filepath.IsAbs(file.path) {
			file.path = filepath.Join(dir, file.path)
		}
		data, err := s.ReadFile(file.path)
		if err != nil {
			return err
		}
		file.take(data)
	}
	return nil
}
