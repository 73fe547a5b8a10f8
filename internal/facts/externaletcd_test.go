package facts

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/etcd"
	"github.com/clusteradm/clusteradm/internal/etcd/etcdtest"
	"github.com/clusteradm/clusteradm/internal/host"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/secret"
)

// lent is the fake as one that is asked and then left.
type lent struct {
	*etcdtest.Etcd
	closed *int
}

func (l lent) Close() { *l.closed++ }

func TestExternalEtcdIsAsked(t *testing.T) {
	answer := `{"etcdserver":"3.5.24","etcdcluster":"3.5.0"}`
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/version" {
			_, _ = w.Write([]byte(answer))
		}
	}))
	defer server.Close()
	m := hosttest.New("cp1", hosttest.Options{})
	m.Put("/ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})), 0o644)
	members := etcdtest.New(etcd.Member{ID: 1, Name: "e1", ClientURLs: []string{server.URL}}, etcd.Member{ID: 2, Name: "e2", ClientURLs: []string{"https://e2:2379"}},
		etcd.Member{ID: 3, Name: "e3"}, etcd.Member{ID: 4, Name: "e4", Learner: true})
	members.Fail(2)
	opened, closed := 0, 0
	asked := Asked{Node: cluster.Node{Name: "cp1", ControlPlane: true}, D: dialer{},
		Etcd: func(endpoint string, ca, cert []byte, key secret.Bytes) (EtcdReader, error) {
			if !strings.HasPrefix(string(ca), "-----BEGIN CERTIFICATE") || len(cert) > 0 || !key.Empty() {
				t.Errorf("it is asked with %q, %q", ca, cert)
			}
			if endpoint != server.URL {
				return nil, errors.New("nobody there")
			}
			opened++
			return lent{members, &closed}, nil
		}}
	ask := func(e cluster.ExternalEtcd) cluster.ExternalEtcdFacts {
		asked.Cluster = &cluster.Cluster{Etcd: cluster.Etcd{External: &e}}
		f, err := Machine(t.Context(), host.AsReader(m), asked)
		if err != nil {
			t.Fatal(err)
		}
		return *f.Etcd
	}
	f := ask(cluster.ExternalEtcd{Endpoints: []string{server.URL, "https://127.0.0.1:1"}, CAFile: "/ca.crt", KeyFile: "/none"})
	at, dead := f.Endpoints[0], f.Endpoints[1]
	if at.Version != "3.5.24" || at.Error != "" || len(at.Served) != 1 || !slices.Equal(at.Members, []uint64{1, 2, 3, 4}) || at.Unlisted != "" {
		t.Errorf("%+v", at)
	}
	if dead.Error == "" || dead.Served != nil || dead.Members != nil || dead.Unlisted != "nobody there" {
		t.Errorf("%+v", dead)
	}
	if _, ok := f.Files["/none"]; ok || f.Files["/ca.crt"].Empty() || len(f.Files) != 1 {
		t.Errorf("files: %v", f.Files)
	}
	if len(f.Members) != 4 || f.Members[0].Version != "3.6.8" || f.Members[0].Error != "" || f.Members[1].Error == "" || !f.Members[3].Learner {
		t.Errorf("members: %+v", f.Members)
	}
	if opened != 1 || closed != 1 {
		t.Errorf("%d were opened, %d closed", opened, closed)
	}
	// Where the version is asked elsewhere, the certificate and the members are
	// those of the endpoint.
	f = ask(cluster.ExternalEtcd{Endpoints: []string{server.URL}, HTTPEndpoints: []string{"https://127.0.0.1:1"}, CAFile: "/ca.crt"})
	if at := f.Endpoints[0]; at.Asked != "https://127.0.0.1:1" || at.Error == "" || len(at.Served) != 1 || len(at.Members) != 4 {
		t.Errorf("%+v", at)
	}
	// What a join downloads is here as if it were on the disk.
	asked.Given = map[string]secret.Bytes{"/given.crt": secret.NewBytes(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))}
	asked.Cluster = &cluster.Cluster{Etcd: cluster.Etcd{External: &cluster.ExternalEtcd{Endpoints: []string{server.URL}, CAFile: "/given.crt"}}}
	if f, err := ExternalEtcd(t.Context(), host.AsReader(m), asked); err != nil || f.Endpoints[0].Error != "" || len(f.Members) != 4 {
		t.Errorf("with a given file: %+v, %v", f, err)
	}
	asked.Etcd = nil
	if f = ask(cluster.ExternalEtcd{Endpoints: []string{server.URL}}); f.Endpoints[0].Error == "" {
		t.Error("an untrusted server was believed")
	}
	if f = ask(cluster.ExternalEtcd{Endpoints: []string{server.URL}, CAFile: "/none"}); f.Endpoints[0].Error == "" || f.Members != nil {
		t.Errorf("without the CA: %+v", f)
	}
	answer = "{}"
	if f = ask(cluster.ExternalEtcd{Endpoints: []string{server.URL}, CAFile: "/ca.crt"}); f.Endpoints[0].Error == "" {
		t.Error("a server that does not say its version was believed")
	}
}
