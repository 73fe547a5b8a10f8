package kubetest

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Server is a Store behind TLS and the Kubernetes REST paths.
type Server struct {
	URL string
	CA  []byte // PEM
	*httptest.Server

	store *Store

	mu       sync.Mutex
	requests []string
	remotes  map[string]bool
}

// NewServer serves store until the test ends.
func NewServer(t testing.TB, store *Store) *Server {
	t.Helper()
	s := &Server{store: store, remotes: map[string]bool{}}
	s.Server = httptest.NewUnstartedServer(s)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	s.URL = s.Server.URL
	s.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	return s
}

// Requests are those served so far, as "METHOD /path?query".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Connections counts the connections on which requests came.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.remotes)
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.remotes[r.RemoteAddr] = true
	s.mu.Unlock()

	answer, err := s.answer(r)
	if err == nil {
		code := http.StatusOK
		if r.Method == http.MethodPost {
			code = http.StatusCreated
		}
		reply(w, code, answer)
		return
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		panic(http.ErrAbortHandler) // the store is down, or a hook cut the connection
	}
	body := status.Status()
	body.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	reply(w, int(body.Code), body)
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // the client went away
}

// request is what a path names.
type request struct {
	version, namespace, name, subresource string
	kind                                  kind
}

func (r request) ref() kube.Ref {
	return kube.Ref{
		GroupVersionKind: r.kind.WithVersion(r.version),
		Namespace:        r.namespace, Name: r.name,
	}
}

func (s *Server) answer(r *http.Request) (any, error) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var group string
	switch {
	case len(parts) == 1 && (parts[0] == "livez" || parts[0] == "readyz" || parts[0] == "healthz"):
		return "ok", s.store.enter("get", kube.Ref{})
	case len(parts) >= 2 && parts[0] == "api":
		parts = parts[1:]
	case len(parts) >= 3 && parts[0] == "apis":
		group, parts = parts[1], parts[2:]
	default:
		return nil, notServed()
	}
	if len(parts) == 1 {
		return s.resources(schema.GroupVersion{Group: group, Version: parts[0]})
	}
	to, err := s.parse(group, parts)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return s.serve(r, to, body)
}

func (s *Server) parse(group string, parts []string) (request, error) {
	to := request{version: parts[0]}
	parts = parts[1:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		to.namespace, parts = parts[1], parts[2:]
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	var err error
	to.kind, err = s.store.find(func(k kind) bool { return k.Group == group && k.resource == parts[0] })
	if len(parts) > 1 {
		to.name = parts[1]
	}
	if len(parts) > 2 {
		to.subresource = parts[2]
	}
	return to, err
}

func (s *Server) serve(r *http.Request, to request, body []byte) (any, error) {
	ctx, dryRun := r.Context(), r.URL.Query().Get("dryRun") == "All"
	switch {
	case r.Method == http.MethodGet && to.name != "":
		return s.store.Get(ctx, to.ref())
	case r.Method == http.MethodGet:
		items, err := s.store.List(ctx, to.ref(), r.URL.Query().Get("labelSelector"))
		return list(to, items), err
	case r.Method == http.MethodDelete:
		if _, err := s.store.Get(ctx, to.ref()); err != nil {
			return nil, err
		}
		return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess},
			s.store.Delete(ctx, to.ref())
	case r.Method == http.MethodPost:
		obj, err := decode(body)
		if err != nil {
			return nil, err
		}
		if to.subresource == "eviction" {
			obj.SetNamespace(to.namespace)
		}
		created, err := s.store.Create(ctx, obj)
		if err == nil && to.subresource == "eviction" { // as a real server answers
			return metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess}, nil
		}
		return created, err
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json":
		return s.store.MergePatch(ctx, to.ref(), body)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/apply-patch+yaml":
		if r.URL.Query().Get("fieldManager") != kube.FieldManager || r.URL.Query().Get("force") != "true" {
			return nil, apierrors.NewBadRequest("only forced apply as " + kube.FieldManager + " is modelled")
		}
		obj, err := decode(body)
		if err != nil {
			return nil, err
		}
		if dryRun {
			return s.store.DryRunApply(ctx, obj)
		}
		return s.store.Apply(ctx, obj)
	}
	return nil, apierrors.NewMethodNotSupported(to.kind.groupResource(), r.Method)
}

// list leaves apiVersion and kind out of the items, as a server does.
func list(to request, items []unstructured.Unstructured) any {
	bare := []any{}
	for _, item := range items {
		delete(item.Object, "apiVersion")
		delete(item.Object, "kind")
		bare = append(bare, item.Object)
	}
	return map[string]any{
		"apiVersion": to.ref().GroupVersion().String(), "kind": to.kind.Kind + "List",
		"metadata": map[string]any{}, "items": bare,
	}
}

// resources answers discovery.
func (s *Server) resources(version schema.GroupVersion) (any, error) {
	if err := s.store.enter("get", kube.Ref{}); err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	list := metav1.APIResourceList{
		TypeMeta:     metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"},
		GroupVersion: version.String(),
	}
	for _, k := range s.store.kinds() {
		if k.Group == version.Group {
			list.APIResources = append(list.APIResources,
				metav1.APIResource{Name: k.resource, Kind: k.Kind, Namespaced: k.namespaced},
				metav1.APIResource{Name: k.resource + "/status", Kind: k.Kind, Namespaced: k.namespaced})
		}
	}
	if len(list.APIResources) == 0 {
		return nil, notServed()
	}
	return list, nil
}

func notServed() error {
	return apierrors.NewGenericServerResponse(http.StatusNotFound, "", schema.GroupResource{}, "", "", 0, true)
}

func decode(body []byte) (*unstructured.Unstructured, error) {
	var object map[string]any
	if err := yaml.Unmarshal(body, &object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return &unstructured.Unstructured{Object: object}, nil
}
