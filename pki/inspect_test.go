package pki_test

import (
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/secret"
	"github.com/clusteradm/clusteradm/pki"
)

func inspect(c *cluster.Cluster, files map[string]secret.Bytes) map[string]pki.Status {
	found := map[string]pki.Status{}
	for _, s := range pki.Inspect(files, c) {
		found[s.Name] = s
	}
	return found
}

func TestInspect(t *testing.T) {
	c, files := controlPlane(t)
	for name, s := range inspect(c, files) {
		if s.Missing || s.Problem != "" || s.External || s.Serial == "" || s.Subject == "" || !s.NotAfter.After(now()) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	list := pki.Inspect(files, c)
	last := list[len(list)-1]
	if len(list) != 11+1+3 || last.Name != "front-proxy-ca" || !last.Authority || last.CA != "" {
		t.Errorf("%d, the last is %+v", len(list), last)
	}
	cert := parse(t, files[dir+"etcd/peer.crt"].Reveal())
	if s := inspect(c, files)["etcd-peer"]; s.CA != "etcd-ca" || s.Serial != pki.SerialOf(cert) || !s.NotAfter.Equal(cert.NotAfter) {
		t.Errorf("%+v", s)
	}
}

// Whatever there is: it says so and is no error.
func TestInspectBearsDamage(t *testing.T) {
	c, files := controlPlane(t)
	cut := func(p string) secret.Bytes { return secret.NewBytes(files[p].Reveal()[:files[p].Len()/2]) }
	files[dir+"apiserver.crt"] = cut(dir + "apiserver.crt")
	files[dir+"etcd/peer.key"] = files[dir+"etcd/server.key"]
	files[dir+"front-proxy-client.key"] = cut(dir + "front-proxy-client.key")
	files[cluster.AdminConf] = secret.NewBytes([]byte("{"))
	files[cluster.SchedulerConf] = tokenConf()
	files = dropped(files, dir+"apiserver-etcd-client.crt", dir+"etcd/healthcheck-client.key", dir+"etcd/ca.key", dir+"ca.crt")
	found := inspect(c, files)
	for name, want := range map[string]string{
		"apiserver": "truncated", "etcd-peer": "another's", "front-proxy-client": "its key: truncated", "admin.conf": "kubeconfig",
		"scheduler.conf": "no client certificate", "etcd-healthcheck-client": "its key is not here",
	} {
		if s := found[name]; s.Missing || !strings.Contains(s.Problem, want) {
			t.Errorf("%s: %+v, want %s", name, s, want)
		}
	}
	for _, name := range []string{"apiserver-etcd-client", "ca"} {
		if !found[name].Missing {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	if !found["etcd-server"].External || !found["etcd-ca"].External || found["etcd-ca"].Problem != "" || found["front-proxy-client"].External {
		t.Errorf("external: %+v", found)
	}
	if nothing := pki.Inspect(nil, c); len(nothing) != 15 || !nothing[0].Missing {
		t.Errorf("of nothing: %+v", nothing)
	}
}

func TestInspectTheKubelets(t *testing.T) {
	c, files := controlPlane(t)
	k, err := pki.DecodeKubeconfig(files[cluster.KubeletConf])
	if err != nil {
		t.Fatal(err)
	}
	if s := inspect(c, files)["kubelet-client"]; s.Path != cluster.KubeletConf || !strings.Contains(s.Subject, "system:node:node1") {
		t.Errorf("embedded: %+v", s)
	}
	files[cluster.KubeletConf] = pki.EncodeKubeletKubeconfig("blue", "https://s:1", "node1", k.CA)
	files[cluster.KubeletClientPEM] = secret.NewBytes(append(append([]byte{}, k.Cert...), k.Key.Reveal()...))
	files[pki.KubeletServerCrt] = files[dir+"apiserver.crt"]
	found := inspect(c, files)
	if s := found["kubelet-client"]; s.Path != cluster.KubeletClientPEM || s.Problem != "" || s.Missing {
		t.Errorf("referred to: %+v", s)
	}
	if s := found["kubelet-server"]; s.Path != pki.KubeletServerCrt || s.CA != "" || s.Problem != "" {
		t.Errorf("serving: %+v", s)
	}
	files[pki.KubeletServerPEM] = files[dir+"etcd/server.crt"]
	if s := inspect(c, files)["kubelet-server"]; s.Path != pki.KubeletServerPEM || s.CA != "ca" {
		t.Errorf("rotated: %+v", s)
	}
}
