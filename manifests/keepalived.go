package manifests

import (
	"bytes"
	"fmt"
	"net/netip"
	"text/template"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Where the virtual IP's files are.
const (
	KeepalivedDir    = "/etc/clusteradm/keepalived"
	KeepalivedConfig = KeepalivedDir + "/keepalived.conf"
	KeepalivedCA     = KeepalivedDir + "/ca.crt"
)

// keepalivedTemplate is for keepalived 2.2 and later.
//
// All begin as backups with one priority, and who has the address keeps it: it
// never moves for no reason. A failing check makes an instance faulty, which
// gives the address up at once and says so; a machine that is gone is missed
// after three and a half of its half seconds. VRRP 3 has those, and IPv6.
//
// Members find one another by multicast. A list of peers would have to be
// changed on all of them whenever one joins, and in between there would be two
// owners; and where a network does not carry VRRP's multicast, it does not let
// an address move by ARP either.
var keepalivedTemplate = template.Must(template.New("keepalived.conf").Parse(`# Made by clusteradm. Do not edit.
# ca: {{.CASum}}
global_defs {
  router_id {{.Node}}
  vrrp_version 3
  enable_script_security
  script_user root
}

vrrp_script apiserver {
  script "/usr/bin/curl --silent --fail --max-time 1 --output /dev/null --cacert {{.CA}} {{.Server}}/readyz"
  interval 1
  timeout 2
  fall 2
  rise 1
}

vrrp_instance clusteradm {
  state BACKUP
  nopreempt
  interface {{.Interface}}
  virtual_router_id {{.RouterID}}
  priority 100
  advert_int 0.5
  virtual_ipaddress {
    {{.Address}} dev {{.Interface}}
  }
  track_script {
    apiserver
  }
}
`))

// Keepalived is the file KeepalivedConfig on a control plane whose address is
// on an interface.
func Keepalived(c *cluster.Cluster, n cluster.Node, link, caSum string) ([]byte, error) {
	v := c.VirtualIP
	if v.Interface != "" {
		link = v.Interface
	}
	if link == "" {
		return nil, &NoInterfaceError{Node: n.Name, Address: n.Address}
	}
	var out bytes.Buffer
	err := keepalivedTemplate.Execute(&out, map[string]any{
		"CASum": caSum, "Node": n.Name, "CA": KeepalivedCA, "Server": n.LocalEndpoint(), "Interface": link,
		"RouterID": v.RouterID, "Address": netip.PrefixFrom(v.Address, v.Address.BitLen()),
	})
	if err != nil {
		return nil, fmt.Errorf("render keepalived.conf: %w", err)
	}
	return out.Bytes(), nil
}

// NoInterfaceError reports that it cannot be told where a virtual IP belongs.
type NoInterfaceError struct {
	Node    string
	Address netip.Addr
}

func (e *NoInterfaceError) Error() string {
	return fmt.Sprintf("render keepalived.conf: %s has no interface with a route to its address %s", e.Node, e.Address)
}

// Hint is how to name one.
func (e *NoInterfaceError) Hint() string {
	return "set virtualIP.interface in the document Endpoint; ip -brief address   # shows the interfaces"
}
