package session

import (
	"context"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// Etcd is an etcd that was connected to.
type Etcd interface {
	etcd.Client
	Close()
}

// ConnectEtcd is what connects to a real etcd. It asks nothing yet.
func ConnectEtcd(c client.Config) (Etcd, error) {
	connected, err := client.New(c)
	if err != nil {
		return nil, err // and no interface that holds nil
	}
	return connected, nil
}

// EtcdOf connects to the etcd of this machine with the files that it has for
// that.
func (s *Session) EtcdOf(ctx context.Context, e *cluster.LocalEtcd) (Etcd, error) {
	c, err := s.EtcdConfig(ctx, e)
	if err != nil {
		return nil, err
	}
	return s.Etcd(c)
}

// EtcdConfig reads the files for the etcd of this machine; one without TLS needs
// none.
func (s *Session) EtcdConfig(ctx context.Context, e *cluster.LocalEtcd) (client.Config, error) {
	c := client.Config{Endpoints: e.Endpoints, Dial: s.Machine.DialHost}
	var key []byte
	for _, file := range []struct {
		path string
		into *[]byte
	}{{e.CAFile, &c.CA}, {e.CertFile, &c.Cert}, {e.KeyFile, &key}} {
		if file.path == "" {
			continue
		}
		data, err := s.Machine.ReadFile(ctx, file.path)
		if err != nil {
			return client.Config{}, err
		}
		*file.into = data
	}
	c.Key = secret.NewBytes(key)
	return c, nil
}
