package phases

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/effect"
	"github.com/clusteradm/clusteradm/internal/plan"
	"github.com/clusteradm/clusteradm/manifests"
	"github.com/clusteradm/clusteradm/pki"
)

// user is the component that uses a certificate.
type user struct {
	pod string // empty: nothing that runs
	// once is the file if it is read only when the process starts; what is read
	// again, at each handshake or when it changes, needs no restart.
	once string
}

// users says what uses each certificate that can be renewed, and how. The
// facts are those of the sources of Kubernetes 1.36 and etcd 3.6, with the
// places in docs/certificates.md.
func users() map[string]user {
	return map[string]user{
		// Read again when the file changes, and once a minute.
		"apiserver":          {pod: manifests.KubeAPIServer},
		"front-proxy-client": {pod: manifests.KubeAPIServer},
		// Looked at when a connection to a kubelet is made.
		"apiserver-kubelet-client": {pod: manifests.KubeAPIServer},
		// Read at each handshake, by etcd and by etcd's client alike.
		"apiserver-etcd-client": {pod: manifests.KubeAPIServer},
		"etcd-server":           {pod: manifests.EtcdName},
		"etcd-peer":             {pod: manifests.EtcdName},
		// For people: the probes of etcd ask without TLS.
		"etcd-healthcheck-client": {},
		"admin.conf":              {},
		"super-admin.conf":        {},
		// The certificate is inside of the kubeconfig, which is read once.
		"controller-manager.conf": {pod: manifests.KubeControllerManager, once: cluster.ControllerConf},
		"scheduler.conf":          {pod: manifests.KubeScheduler, once: cluster.SchedulerConf},
	}
}

// servingOf is which of the renewed certificates a component serves, and where.
// One that was given certificates of the user's own serves none of ours.
func servingOf(in plan.Input, name string, flags map[string]string) []effect.Serving {
	var serving []effect.Serving
	add := func(file, addr string) {
		for _, s := range pki.Tree(in.Cluster, in.Node) {
			if s.CertPath() == file && slices.Contains(in.Certs.Names, s.Name) && addr != "" {
				serving = append(serving, effect.Serving{Path: file, Addr: addr})
			}
		}
	}
	for _, s := range ServedCertificates(name, flags) {
		add(s.Path, s.Addr)
	}
	return serving
}

// ServedCertificates is what a component serves on the wire, by its flags: an
// empty Path is a certificate of its own making.
func ServedCertificates(name string, flags map[string]string) []effect.Serving {
	switch name {
	case manifests.EtcdName:
		return []effect.Serving{
			{Path: flags["cert-file"], Addr: firstURL(flags["listen-client-urls"])},
			{Path: flags["peer-cert-file"], Addr: firstURL(flags["listen-peer-urls"])},
		}
	case manifests.KubeAPIServer:
		return []effect.Serving{{Path: flags["tls-cert-file"], Addr: listening(flags, "6443", flags["advertise-address"])}}
	case manifests.KubeControllerManager:
		return []effect.Serving{{Path: flags["tls-cert-file"], Addr: listening(flags, "10257", "")}}
	case manifests.KubeScheduler:
		return []effect.Serving{{Path: flags["tls-cert-file"], Addr: listening(flags, "10259", "")}}
	}
	return nil
}

// listening is where a component can be asked. One that listens everywhere is
// asked at the address that it announces, or on loopback.
func listening(flags map[string]string, port, announced string) string {
	at, bind := "127.0.0.1", flags["bind-address"]
	switch {
	case bind != "" && bind != "0.0.0.0" && bind != "::":
		at = bind
	case announced != "":
		at = announced
	}
	if given := flags["secure-port"]; given != "" {
		port = given
	}
	return net.JoinHostPort(at, port)
}

// firstURL is host and port of the first of a list of URLs.
func firstURL(list string) string {
	first, _, _ := strings.Cut(list, ",")
	u, err := url.Parse(first)
	if err != nil {
		return ""
	}
	return u.Host
}

func healthOf(in plan.Input, name string, flags map[string]string) []plan.Condition {
	switch name {
	case manifests.EtcdName:
		metrics, _, _ := strings.Cut(flags["listen-metrics-urls"], ",")
		if !strings.HasPrefix(metrics, "http://") {
			return nil
		}
		return []plan.Condition{healthy(in, "etcd", plan.Probe{URL: metrics + "/health"})}
	case manifests.KubeAPIServer:
		addr := ServedCertificates(name, flags)[0].Addr
		return []plan.Condition{healthy(in, "the API server", plan.Probe{URL: "https://" + addr + "/livez"})}
	case manifests.KubeControllerManager:
		return []plan.Condition{healthy(in, "the controller manager", plan.Probe{URL: "https://" + ServedCertificates(name, flags)[0].Addr + "/healthz"})}
	case manifests.KubeScheduler:
		return []plan.Condition{healthy(in, "the scheduler", plan.Probe{URL: "https://" + ServedCertificates(name, flags)[0].Addr + "/livez"})}
	}
	return nil
}

// reloaded holds once the process serves what is on the disk, or is not there
// to do so. That it does not come true only makes the restart due that follows.
func reloaded(pod effect.StaticPod) plan.Condition {
	return plan.Condition{
		Name: pod.Name + " to take up its new certificates", Within: reloadWithin, Warn: true,
		Check: func(ctx context.Context, v plan.View) error {
			running, err := effect.Running(ctx, v.Runtime(pod.Host), pod.Name)
			if err != nil || running.ID == "" {
				return err
			}
			for _, s := range pod.Serving {
				if err := served(ctx, v, pod, s); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func served(ctx context.Context, v plan.View, pod effect.StaticPod, s effect.Serving) error {
	ok, err := effect.Serves(ctx, v, pod.Host, s)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s does not serve the certificate in %s", plan.ErrNotYet, s.Addr, s.Path)
	}
	return err
}

func serves(in plan.Input, pod effect.StaticPod, s effect.Serving) plan.Condition {
	return plan.Condition{
		Name: "the new certificate at " + s.Addr, Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint:  "clusteradm certs check-expiration",
		Check: func(ctx context.Context, v plan.View) error { return served(ctx, v, pod, s) },
	}
}

func runs(in plan.Input, pod effect.StaticPod) plan.Condition {
	return plan.Condition{
		Name: pod.Name + " to run", Within: in.Cluster.Timeouts.ControlPlaneHealth,
		Hint: "journalctl -u kubelet.service -n 50; crictl ps -a",
		Check: func(ctx context.Context, v plan.View) error {
			running, err := effect.Running(ctx, v.Runtime(pod.Host), pod.Name)
			if err == nil && running.ID == "" {
				err = fmt.Errorf("%w: no container of it runs", plan.ErrNotYet)
			}
			return err
		},
	}
}
