package manifests

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

// Where the node load balancer's files are. The directory is mounted and not
// the files, which are replaced as wholes.
const (
	HAProxyDir = "/etc/clusteradm/haproxy"
	HAProxyCA  = HAProxyDir + "/ca.crt"
	// HAProxyRunDir has the sockets, which are root's: one of haproxy's
	// workers, and one of the master that reloads them.
	HAProxyRunDir = "/run/clusteradm/haproxy"
	HAProxyMaster = HAProxyRunDir + "/master.sock"
	haproxyAdmin  = HAProxyRunDir + "/admin.sock"
)

// Balancer is what a node load balancer is configured with.
type Balancer struct {
	Listen   netip.AddrPort
	Backends []netip.AddrPort // the API servers
	// Endpoint is the cluster's endpoint, host:port: the way out when none of
	// the backends answers, all of them having been replaced while this node
	// was switched off. Empty for none.
	Endpoint string
	// CASum is the digest of the file HAProxyCA, so that a new one is a new
	// configuration.
	CASum string
}

// BalancerOf is the node load balancer of a cluster.
func BalancerOf(c *cluster.Cluster, ca []byte, backends []netip.AddrPort) Balancer {
	return Balancer{
		Listen:   netip.AddrPortFrom(c.Loopback(), uint16(c.LoadBalancer.Port)),
		Backends: backends, Endpoint: c.ControlPlaneEndpoint, CASum: CASum(ca),
	}
}

// CASum is the digest of a certificate authority's file.
func CASum(pem []byte) string { return fmt.Sprintf("%x", sha256.Sum256(pem)) }

// The balancer answers plain HTTP on its own port: whether it is alive, and
// with which configuration it runs.
const (
	healthPath  = "/healthz"
	runningPath = "/config/"
)

// haproxyTemplate is for haproxy 2.6 and later. Servers are told by their
// digest from those of an earlier configuration, and a connection by whether it
// begins as TLS does: health needs no port of its own.
//
// A server is down two failed checks, about two seconds, after its API server;
// what it had open is then closed, or a watch would hear nothing for minutes.
// Reloading leaves open connections to the worker before, which checks no
// servers any more; so it has to end soon.
var haproxyTemplate = template.Must(template.New("haproxy.cfg").Parse(`# Made by clusteradm, which also keeps the servers in line with the cluster's
# control planes (clusteradm-endpoint.service). Do not edit.
# ca: {{.CASum}}
global
  log stdout format raw daemon notice
  maxconn 1000
  nbthread 1
  hard-stop-after 10s
  stats socket {{.Socket}} mode 600 level admin expose-fd listeners

defaults
  mode tcp
  log global
  option clitcpka
  option srvtcpka
  option redispatch 1
  retries 3
  timeout connect 1s
  timeout check 1s
  timeout queue 5s
  timeout http-request 5s
  timeout client 4h
  timeout server 4h

frontend node
  bind {{.Listen}}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req.ssl_hello_type 1 }
  tcp-request content switch-mode http if HTTP
  use_backend self if HTTP
  default_backend control-planes

backend self
  mode http
  http-request return status 200 content-type text/plain string "ok" if { path {{.Health}} }
  http-request return status 200 content-type text/plain string "ok" if { path {{.Running}} }
  http-request return status 404

backend control-planes
  balance random
  option httpchk
  http-check send meth GET uri /readyz
  http-check expect status 200
  default-server check check-ssl check-sni kubernetes verify required verifyhost kubernetes ca-file {{.CA}} inter 1s fastinter 500ms downinter 1s fall 2 rise 1 on-marked-down shutdown-sessions
{{- range .Backends}}
  server {{.Addr}}:{{.Port}} {{.}}
{{- end}}
{{- with .Endpoint}}
  server endpoint {{.}} backup init-addr last,libc,none
{{- end}}
`))

// Render is the file cluster.HAProxyConfig. The order of the backends does not matter.
func (b Balancer) Render() ([]byte, error) {
	backends := slices.Clone(b.Backends)
	slices.SortFunc(backends, netip.AddrPort.Compare)
	backends = slices.Compact(backends)
	if len(backends) == 0 {
		return nil, errors.New("render haproxy.cfg: there is no API server to send to")
	}
	endpoint := b.Endpoint
	// kubeadm allows one without a port. haproxy would take its own for it.
	if _, _, err := net.SplitHostPort(endpoint); endpoint != "" && err != nil {
		endpoint = net.JoinHostPort(strings.Trim(endpoint, "[]"), strconv.Itoa(int(backends[0].Port())))
	}
	if addr, err := netip.ParseAddrPort(endpoint); err == nil && slices.Contains(backends, addr) {
		endpoint = ""
	}
	render := func(sum string) ([]byte, error) {
		var out bytes.Buffer
		err := haproxyTemplate.Execute(&out, map[string]any{
			"CASum": b.CASum, "Socket": haproxyAdmin, "Listen": b.Listen, "Health": healthPath, "Running": runningPath + sum,
			"CA": HAProxyCA, "Backends": backends, "Endpoint": endpoint,
		})
		return out.Bytes(), err
	}
	draft, err := render("")
	if err != nil {
		return nil, fmt.Errorf("render haproxy.cfg: %w", err)
	}
	return render(fmt.Sprintf("%x", sha256.Sum256(draft)))
}

// ParseBalancer reads back what a rendered file was made from. The endpoint is
// lost where it was one of the backends.
func ParseBalancer(config []byte) (Balancer, error) {
	var b Balancer
	for line := range strings.Lines(string(config)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		var err error
		switch fields[0] {
		case "bind":
			b.Listen, err = netip.ParseAddrPort(fields[1])
		case "#":
			if len(fields) == 3 && fields[1] == "ca:" {
				b.CASum = fields[2]
			}
		case "server":
			if len(fields) > 2 && fields[1] == "endpoint" {
				b.Endpoint = fields[2]
				continue
			}
			var backend netip.AddrPort
			backend, err = netip.ParseAddrPort(fields[len(fields)-1])
			b.Backends = append(b.Backends, backend)
		}
		if err != nil {
			return Balancer{}, fmt.Errorf("read haproxy.cfg: %w", err)
		}
	}
	if !b.Listen.IsValid() || len(b.Backends) == 0 {
		return Balancer{}, errors.New("read haproxy.cfg: it was not made by clusteradm")
	}
	return b, nil
}

// HealthURL answers while the balancer is alive, whatever the API servers are.
func (b Balancer) HealthURL() string { return "http://" + b.Listen.String() + healthPath }

// RunningURL answers while haproxy runs with just this rendered configuration.
func (b Balancer) RunningURL(config []byte) string {
	_, rest, _ := strings.Cut(string(config), runningPath)
	sum, _, _ := strings.Cut(rest, " ")
	return "http://" + b.Listen.String() + runningPath + sum
}
