package etcdrolecmd

import (
	"encoding/json"
	"fmt"
	"path"

	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/manifests"
)

// report says what the machine is now, and what comes next.
func (p *prepared) report(s *session.Session) error {
	n, url := p.input.Node, manifests.EtcdClientURL(p.input.Node)
	if s.Format == "json" {
		return json.NewEncoder(s.Streams.Out).Encode(struct {
			Kind     string `json:"kind"`
			Member   string `json:"member"`
			Endpoint string `json:"endpoint"`
		}{"result", n.Name, url})
	}
	dir := p.input.Cluster.PKI("etcd")
	_, err := fmt.Fprintf(s.Streams.Out, `
This machine runs etcd as member %[1]s, at %[2]s.

To add a further machine, take the authority of this one there and join, as root:

  ssh HOST mkdir -p %[3]s
  scp %[4]s %[5]s HOST:%[3]s/
  ssh HOST clusteradm etcd join %[2]s

For what a control plane needs to use it:

  clusteradm etcd client-certificate
`, n.Name, url, dir, path.Join(dir, "ca.crt"), path.Join(dir, "ca.key"))
	return err
}
