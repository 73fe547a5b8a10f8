package endpointcmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/clusteradm/clusteradm/internal/cli/exit"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/internal/world"
	"github.com/clusteradm/clusteradm/phases"
	"github.com/clusteradm/clusteradm/pki"
)

func show(s *session.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show where the cluster is reached and who says so",
		Long: `Show where the cluster is reached and who says so: the configuration, the load
balancers of the nodes and the virtual IP where the cluster has them, what
joining nodes are told, the kubeconfigs of this machine, kube-proxy and flannel,
and the certificates that the API servers serve. On a worker only what it may
see is shown. What is not as it should be is marked, and the exit code is 3.`,
		Example: "  clusteradm endpoint show\n  clusteradm endpoint show -o json",
		Args:    session.Args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runShow(cmd.Context(), s) },
	}
}

// shown is what the command says.
type shown struct {
	Kind string `json:"kind"` // "endpoint"
	// Endpoint is the configured one, empty if the cluster has none.
	Endpoint string `json:"endpoint"`
	// Answers says that an API server of this cluster answers there.
	Answers    bool             `json:"answers"`
	Silent     string           `json:"silent,omitempty"` // why not
	Balancer   *balancer        `json:"nodeLoadBalancer,omitempty"`
	VirtualIP  string           `json:"virtualIP,omitempty"`
	Users      []user           `json:"users"`
	APIServers []plan.APIServer `json:"apiServers,omitempty"`
}

// balancer is the load balancer that every node is to have.
type balancer struct {
	Address string   `json:"address"`
	Lacking []string `json:"lacking,omitempty"` // nodes without one, told on a control plane
}

// user is something that has an address of the cluster.
type user struct {
	Name   string `json:"name"`
	Server string `json:"server"`
	// Want is what it should have; empty if what it has is right.
	Want string `json:"want,omitempty"`
}

func runShow(ctx context.Context, s *session.Session) error {
	n, err := thisNode(ctx, s, "")
	if err != nil {
		return err
	}
	if err := n.uploaded(ctx); err != nil {
		return err
	}
	e := plan.Endpoint{}
	if n.ControlPlane {
		if e, err = objects(ctx, n.api); err != nil {
			return err
		}
	}
	e.CA, e.Address, e.After, e.Names = n.ca, n.cluster.ControlPlaneEndpoint, n.cluster, namesOf(n.cluster)
	out := shown{Kind: "endpoint", Endpoint: e.Address}
	if err := out.brought(ctx, n); err != nil {
		return err
	}
	view := world.New(world.Parts{Machine: s.Machine})
	if e.Address != "" {
		var foreign *foreignError
		switch err := onTheWire(ctx, view, &e, s.Now()); {
		case errors.As(err, &foreign):
			e.Silent = foreign.Error()
		case err != nil:
			return err
		}
		out.Answers, out.Silent = e.Silent == "", e.Silent
	}
	out.APIServers = e.APIServers
	in := plan.Input{Cluster: n.cluster, Node: n.Node, Facts: session.HostFacts(s.Now(), n.Host, n.facts), Endpoint: e}
	if out.Users, err = users(in); err != nil {
		return err
	}
	if s.Format == "json" {
		err = json.NewEncoder(s.Streams.Out).Encode(out)
	} else {
		err = out.print(s.Streams.Out)
	}
	if err != nil || out.right() {
		return err
	}
	return &exit.PendingError{Err: errors.New("endpoint show: not all is as it should be"),
		Help: cmp.Or(strings.TrimSuffix("clusteradm endpoint set "+e.Address, " "), "")}
}

// brought adds the ways to the API servers that clusteradm brings.
func (s *shown) brought(ctx context.Context, n *node) (err error) {
	if n.cluster.LoadBalancer != nil {
		s.Balancer = &balancer{Address: strings.TrimPrefix(n.cluster.NodeEndpoint(n.Node), "https://")}
		if n.ControlPlane {
			s.Balancer.Lacking, err = unbalanced(ctx, n.api)
		}
	}
	if v := n.cluster.VirtualIP; v != nil {
		s.VirtualIP = v.Address.String()
	}
	return err
}

// users are those who have an address of the cluster, on this machine and in
// the cluster. Where there is no endpoint that of any API server is right.
func users(in plan.Input) ([]user, error) {
	var list []user
	add := func(name, server, want string) {
		u := user{Name: name, Server: server}
		direct := want == "https://" && slices.ContainsFunc(in.Endpoint.APIServers, func(s plan.APIServer) bool { return "https://"+s.Address == server })
		if server != want && !direct && (want != "https://" || len(in.Endpoint.APIServers) > 0) {
			u.Want = want
			if want == "https://" {
				u.Want = "an API server's address"
			}
		}
		list = append(list, u)
	}
	endpoint, nodes := "https://"+in.Endpoint.Address, "https://"
	if in.Endpoint.Address != "" {
		nodes = in.Cluster.NodeEndpoint(in.Node)
	}
	files := in.HostFacts().PKI
	for _, path := range []string{cluster.AdminConf, cluster.SuperAdminConf, cluster.ControllerConf, cluster.SchedulerConf, cluster.KubeletConf} {
		data, ok := files[path]
		if !ok {
			continue
		}
		server, err := pki.ServerOf(data)
		want := endpoint
		switch {
		case err != nil:
			return nil, fmt.Errorf("read %s: %w", path, err)
		case path == cluster.ControllerConf || path == cluster.SchedulerConf:
			want = in.Node.LocalEndpoint()
		case path == cluster.KubeletConf:
			if want = nodes; in.Endpoint.Address != "" {
				want = phases.KubeletServer(in, server)
			}
		}
		add(path, server, want)
	}
	for _, c := range []struct {
		name, key, want string
		cm              *unstructured.Unstructured
	}{
		{"ConfigMap kube-public/cluster-info", "kubeconfig", endpoint, in.Endpoint.ClusterInfo},
		{"ConfigMap kube-system/kube-proxy", "kubeconfig.conf", nodes, in.Endpoint.Proxy},
	} {
		if c.cm == nil {
			continue
		}
		text, _, _ := unstructured.NestedString(c.cm.Object, "data", c.key)
		server, err := pki.ServerOf(secret.NewBytes([]byte(text)))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", c.name, err)
		}
		add(c.name, server, c.want)
	}
	if server := phases.FlannelServer(in.Endpoint.Flannel); server != "" {
		add("DaemonSet kube-flannel/kube-flannel-ds", server, nodes)
	}
	return list, nil
}

func (s shown) right() bool {
	return (s.Answers || s.Endpoint == "") && (s.Balancer == nil || len(s.Balancer.Lacking) == 0) &&
		!slices.ContainsFunc(s.Users, func(u user) bool { return u.Want != "" }) &&
		!slices.ContainsFunc(s.APIServers, func(a plan.APIServer) bool { return a.Problem != "" })
}

func (s shown) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 10, 4, 3, ' ', 0)
	endpoint := cmp.Or(s.Endpoint, "none: each node has the address of an API server")
	fmt.Fprintf(w, "ENDPOINT\t%s\t%s\n", endpoint, mark(s.Silent))
	if b := s.Balancer; b != nil {
		problem := ""
		if len(b.Lacking) > 0 {
			problem = "none is ready on " + strings.Join(b.Lacking, ", ")
		}
		fmt.Fprintf(w, "LOAD BALANCER\t%s on every node\t%s\n", b.Address, mark(problem))
	}
	if s.VirtualIP != "" {
		fmt.Fprintf(w, "VIRTUAL IP\t%s\t\n", s.VirtualIP)
	}
	fmt.Fprintln(w, "\nUSED BY\tSERVER\t")
	for _, u := range s.Users {
		problem := ""
		if u.Want != "" {
			problem = "should be " + u.Want
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, u.Server, mark(problem))
	}
	if len(s.APIServers) > 0 {
		fmt.Fprintln(w, "\nAPI SERVER\tADDRESS\t")
		for _, a := range s.APIServers {
			fmt.Fprintf(w, "%s\t%s\t%s\n", cmp.Or(a.Node, "?"), a.Address, mark(a.Problem))
		}
	}
	return w.Flush()
}

// mark is how what is wrong is told beside what it is about.
func mark(problem string) string {
	if problem == "" {
		return ""
	}
	return "! " + problem
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}
