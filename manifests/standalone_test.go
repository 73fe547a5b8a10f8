package manifests

import (
	"net/netip"
	"testing"

	kubelet "k8s.io/kubelet/config/v1beta1"
	"sigs.k8s.io/yaml"
)

// The kubelet of an etcd machine must neither ask an API server, which there is
// none of, nor answer anybody; what the user set for the machine stays.
func TestStandaloneKubelet(t *testing.T) {
	shared := []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n" +
		"authentication: {webhook: {enabled: true}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}\nauthorization: {mode: Webhook}\n" +
		"clusterDNS: [10.96.0.10]\nclusterDomain: cluster.local\nrotateCertificates: true\nserverTLSBootstrap: true\nreadOnlyPort: 10255\naddress: 0.0.0.0\n" +
		"cgroupDriver: cgroupfs\nfailCgroupV1: false\nstaticPodPath: /etc/kubernetes/manifests\n")
	for address, want := range map[string]string{"192.0.2.10": "127.0.0.1", "2001:db8::1": "::1"} {
		n := defaultNode()
		n.Address = netip.MustParseAddr(address)
		data, err := StandaloneKubeletConfig(shared, n)
		if err != nil {
			t.Fatal(err)
		}
		var k kubelet.KubeletConfiguration
		if err := yaml.UnmarshalStrict(data, &k); err != nil {
			t.Fatal(err)
		}
		switch {
		case *k.Authentication.Anonymous.Enabled, *k.Authentication.Webhook.Enabled, k.Authentication.X509.ClientCAFile != "",
			k.Authorization.Mode != kubelet.KubeletAuthorizationModeAlwaysAllow, *k.EnableServer, k.Address != want, k.ReadOnlyPort != 0,
			k.ClusterDNS != nil, k.ClusterDomain != "", k.RotateCertificates, k.ServerTLSBootstrap:
			t.Errorf("it asks or serves:\n%s", data)
		case k.CgroupDriver != "cgroupfs", *k.FailCgroupV1, k.StaticPodPath != "/etc/kubernetes/manifests", k.ContainerRuntimeEndpoint != n.CRISocket:
			t.Errorf("what belongs to the machine is lost:\n%s", data)
		}
	}
}
