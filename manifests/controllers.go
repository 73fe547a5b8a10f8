package manifests

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/clusteradm/clusteradm/internal/cluster"
)

const (
	controllerManagerPort = 10257
	schedulerPort         = 10259
)

// ControllerManager renders the static pod of kube-controller-manager.
func ControllerManager(c *cluster.Cluster, _ cluster.Node, o Options) ([]byte, error) {
	images, err := Images(c)
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", KubeControllerManager, err)
	}
	volumes := append(trustVolumes(c, o), kubeconfigFile(cluster.ControllerConf))
	return pod{
		name:     KubeControllerManager,
		image:    images.ControllerManager,
		command:  append([]string{KubeControllerManager}, controllerManagerFlags(c, o)...),
		env:      env(o.ProxyEnv, c.Controller.ExtraEnvs),
		requests: cpu("200m"),
		volumes:  withExtra(volumes, c.Controller.ExtraVolumes),
		probes: probes{
			host: boundHost(c.Controller), port: controllerManagerPort, scheme: corev1.URISchemeHTTPS,
			liveness: "/healthz", startup: "/healthz",
			within: c.Timeouts.ControlPlaneHealth,
		},
	}.render()
}

func controllerManagerFlags(c *cluster.Cluster, o Options) []string {
	args := clientFlags(cluster.ControllerConf)
	for name, value := range map[string]string{
		"client-ca-file":                   c.PKI("ca.crt"),
		"cluster-signing-cert-file":        c.PKI("ca.crt"),
		"cluster-signing-key-file":         c.PKI("ca.key"),
		"controllers":                      "*,bootstrapsigner,tokencleaner",
		"requestheader-client-ca-file":     c.PKI("front-proxy-ca.crt"),
		"root-ca-file":                     c.PKI("ca.crt"),
		"service-account-private-key-file": c.PKI("sa.key"),
		"use-service-account-credentials":  "true",
	} {
		args[name] = value
	}
	if o.ExternalCA {
		// Empty, not absent: the flags' own defaults would name files.
		args["cluster-signing-cert-file"] = ""
		args["cluster-signing-key-file"] = ""
	}
	if pods := prefixes(c.Networking.PodSubnets); pods != "" {
		args["allocate-node-cidrs"] = "true"
		args["cluster-cidr"] = pods
		if services := prefixes(c.Networking.ServiceSubnets); services != "" {
			args["service-cluster-ip-range"] = services
		}
	}
	if c.Name != "" {
		args["cluster-name"] = c.Name
	}
	return flags(args, c.Controller.ExtraArgs)
}

// Scheduler renders the static pod of kube-scheduler.
func Scheduler(c *cluster.Cluster, _ cluster.Node, o Options) ([]byte, error) {
	images, err := Images(c)
	if err != nil {
		return nil, fmt.Errorf("render pod %s: %w", KubeScheduler, err)
	}
	return pod{
		name:     KubeScheduler,
		image:    images.Scheduler,
		command:  append([]string{KubeScheduler}, flags(clientFlags(cluster.SchedulerConf), c.Scheduler.ExtraArgs)...),
		env:      env(o.ProxyEnv, c.Scheduler.ExtraEnvs),
		requests: cpu("100m"),
		volumes:  withExtra([]volume{kubeconfigFile(cluster.SchedulerConf)}, c.Scheduler.ExtraVolumes),
		probes: probes{
			host: boundHost(c.Scheduler), port: schedulerPort, scheme: corev1.URISchemeHTTPS,
			liveness: "/livez", readiness: "/readyz", startup: "/livez",
			within: c.Timeouts.ControlPlaneHealth,
		},
	}.render()
}

// clientFlags are those of a component that works through the API server.
func clientFlags(kubeconfig string) map[string]string {
	return map[string]string{
		"authentication-kubeconfig": kubeconfig,
		"authorization-kubeconfig":  kubeconfig,
		"bind-address":              "127.0.0.1",
		"kubeconfig":                kubeconfig,
		"leader-elect":              "true",
	}
}

func boundHost(c cluster.Component) string {
	if addr, ok := argValue(c.ExtraArgs, "bind-address"); ok {
		return probeHost(addr)
	}
	return "127.0.0.1"
}
