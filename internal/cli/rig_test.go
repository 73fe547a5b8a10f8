package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
	"github.com/clusteradm/clusteradm/internal/cri/criserver"
	"github.com/clusteradm/clusteradm/internal/cri/critest"
	"github.com/clusteradm/clusteradm/internal/etcd/client"
	"github.com/clusteradm/clusteradm/internal/host/hosttest"
	"github.com/clusteradm/clusteradm/internal/kube/kubetest"
	"github.com/clusteradm/clusteradm/internal/state"
	"github.com/clusteradm/clusteradm/internal/ui"
)

// journals are ours and not what a command is about.
const journals = "/var/lib/clusteradm"

// canary is a bootstrap token whose second half must be seen nowhere but in
// the join command.
const canary, canarySecret = "canary.c4n4ryc4n4ryc4n4", "c4n4ryc4n4ryc4n4"

const initConfig = `apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{token: ` + canary + `}]
localAPIEndpoint: {advertiseAddress: 192.0.2.10}
nodeRegistration: {name: cp1}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
networking: {podSubnet: 10.244.0.0/16}
encryptionAlgorithm: ECDSA-P256
---
apiVersion: clusteradm.io/v1alpha1
kind: Addons
podNetwork: {kind: flannel}
`

// rig is one machine in memory that the whole command line runs on: a kubelet
// that starts an API server with the certificate that init wrote.
type rig struct {
	t       *testing.T
	machine *hosttest.Machine
	store   *kubetest.Store
	state   string // directory of the runs and the lock
	files   map[string]string
	readDir func(path string) ([]fs.DirEntry, error)
	// containers is the runtime that answers wherever no other was put.
	containers *critest.Runtime
	sockets    map[string]string // where those on the machine really listen; "" for containers
	dial       func(addr string) (net.Conn, error)
	clock      func() time.Time
	// terminal has the commands narrate live.
	terminal bool
	stdin    string
	swallow  string // an address that swallows packets
	environ  []string
	// etcd connects to an etcd; by default to the one that dial reaches.
	etcd func(client.Config) (session.Etcd, error)
}

// wired is the machine with its network.
type wired struct {
	*hosttest.Machine
	rig *rig
}

func (w wired) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	if network == "unix" {
		if path, ok := w.rig.sockets[addr]; ok {
			addr = path
		} else {
			addr = w.rig.sockets[""]
		}
		return net.Dial("unix", addr)
	}
	if addr == w.rig.swallow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return w.rig.dial(addr)
}

func newRig(t *testing.T) *rig {
	r := bareRig(t, "cp1")
	r.store.Down(true)
	r.kubelet(nil)
	r.serve()
	return r
}

// bareRig is a machine with neither a kubelet nor a network.
func bareRig(t *testing.T, name string) *rig {
	m := hosttest.New(name, hosttest.Options{Kubelet: "v1.36.3"})
	m.Healthy()
	m.Put("/proc/sys/kernel/hostname", name+"\n", 0o444)
	r := &rig{t: t, machine: m, store: kubetest.New(), state: t.TempDir(), files: map[string]string{"c.yaml": initConfig}, clock: time.Now}
	r.containers, r.etcd = critest.New(), session.ConnectEtcd
	r.sockets = map[string]string{"": criserver.Serve(t, &criserver.Server{Runtime: r.containers})}
	return r
}

// kubelet installs a kubelet whose start may fail.
func (r *rig) kubelet(fails error) {
	t, m := r.t, r.machine
	m.AddUnit(hosttest.Unit{Name: "kubelet.service", OnStart: func(*hosttest.Machine) error {
		if fails != nil {
			return fails
		}
		r.store.Put(kubetest.Object(t, "apiVersion: v1\nkind: Node\nmetadata: {name: cp1}\nstatus: {conditions: [{type: Ready, status: \"True\"}]}\n"))
		r.store.Down(false)
		m.Listen(hosttest.Listener{Addr: "*", Port: 6443, Process: "kube-apiserver", PID: 71})
		return nil
	}})
}

// serve is the network of the machine: the API server and, at their own ports,
// the health endpoints of the other components.
func (r *rig) serve() {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, _ := r.machine.Content("/etc/kubernetes/pki/apiserver.crt")
			key, _ := r.machine.Content("/etc/kubernetes/pki/apiserver.key")
			pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
			return &pair, err
		}})
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{Handler: kubetest.NewServer(r.t, r.store)}
	go server.Serve(listener)
	r.t.Cleanup(func() { server.Close() })
	r.dial = func(addr string) (net.Conn, error) {
		switch addr {
		case "192.0.2.10:6443", "127.0.0.1:10257", "127.0.0.1:10259":
			if r.down() {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return net.Dial("tcp", listener.Addr().String())
		}
		return nil, &net.OpError{Op: "dial", Err: syscall.EHOSTUNREACH}
	}
}

func (r *rig) down() bool {
	return !strings.Contains(r.machine.Snapshot(), "unit kubelet.service enabled=true active=true")
}

// ran is what one command left on its streams.
type ran struct {
	code        int
	out, stderr string
}

func (r *rig) run(args ...string) ran {
	r.t.Helper()
	return r.with(r.t.Context(), args...)
}

func (r *rig) with(ctx context.Context, args ...string) ran {
	r.t.Helper()
	var out, stderr bytes.Buffer
	s := &session.Session{
		Streams: ui.Streams{In: strings.NewReader(r.stdin), Out: &out, Err: &stderr, Terminal: r.terminal}, Format: "text",
		Build:   session.Build{Version: "v0.1.0", Go: "go1.26", Kubernetes: "v1.36.3"},
		Machine: wired{r.machine, r}, Hostname: r.machine.Name(),
		Address: func() (netip.Addr, error) { return netip.MustParseAddr("192.0.2.10"), nil },
		Environ: r.environ, Now: r.clock, Rand: rand.Reader,
		ReadFile: func(path string) ([]byte, error) {
			if content, ok := r.files[path]; ok {
				return []byte(content), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
		ReadDir: r.readDir, Etcd: r.etcd,
		Runs: state.Open(filepath.Join(r.state, "runs")), LockPath: filepath.Join(r.state, "lock"),
	}
	code := cli.Main(ctx, args, s)
	return ran{code, out.String(), stderr.String()}
}

// journal is all that was journalled, of all runs.
func (r *rig) journal() string {
	r.t.Helper()
	var all strings.Builder
	found, err := filepath.Glob(filepath.Join(r.state, "runs", "*", "journal.jsonl"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range found {
		data, err := os.ReadFile(path)
		if err != nil {
			r.t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

func (r *rig) snapshot() string { return r.machine.Snapshot(journals) + r.store.Snapshot() }

// objects parses output of -o json, one object a line.
func objects(t *testing.T, out string) []map[string]any {
	t.Helper()
	var list []map[string]any
	for line := range strings.Lines(out) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("not a line of JSON: %q: %v", line, err)
		}
		list = append(list, object)
	}
	return list
}

// is fails the test unless a command ended with code and said all of want, on
// whichever stream.
func (a ran) is(t *testing.T, code int, want ...string) ran {
	t.Helper()
	if a.code != code {
		t.Fatalf("code %d, want %d\nstdout: %s\nstderr: %s", a.code, code, a.out, a.stderr)
	}
	for _, text := range want {
		if !strings.Contains(a.out+a.stderr, text) {
			t.Errorf("does not say %q\nstdout: %s\nstderr: %s", text, a.out, a.stderr)
		}
	}
	return a
}
