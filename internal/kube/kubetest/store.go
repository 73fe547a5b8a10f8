// Package kubetest holds an API server in memory: Store implements
// kube.Reader and kube.Writer, NewServer serves it over TLS by the Kubernetes
// REST paths, and RunConformance says what both, and the real client, do.
//
// It models what clusteradm depends on: server-side apply by one manager with
// the removal of fields no longer applied, optimistic concurrency, namespaces
// and custom kinds that must exist first, API errors. It does not model
// defaulting (see Store.Default), validation, status subresources (status in a
// write is dropped; Put sets it), list merge keys (a list is replaced whole),
// finalizers or garbage collection beyond a deleted namespace.
package kubetest

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/clusteradm/clusteradm/internal/kube"
)

// Store is an API server in memory. The hooks are set before use.
type Store struct {
	// Default changes an object that is about to be stored, as a server's
	// defaulting and admission do.
	Default func(*unstructured.Unstructured)
	// Before may fail a call, before it has any effect. The verbs are get,
	// list, dry-run, apply, create, patch and delete. It may call the store.
	Before func(verb string, ref kube.Ref) error
	// Allow answers a SelfSubjectAccessReview, which is stored nowhere; nil
	// allows everything. The verb of Before is review.
	Allow func(verb, resource, subresource string) bool
	// Now is the clock for creation times; nil: the system's.
	Now func() time.Time

	known []kind

	mu        sync.Mutex
	down      bool
	mutations int
	failAt    int
	failWith  error
	version   int64
	objects   map[key]*entry
}

var (
	_ kube.Reader = (*Store)(nil)
	_ kube.Writer = (*Store)(nil)
)

type key struct{ group, kind, namespace, name string }

// entry is an object and who owns which of its fields.
type entry struct {
	object  map[string]any
	applied paths // by Apply
	updated paths // by Create, MergePatch and Put
}

// New returns a store with the namespaces every cluster has.
func New() *Store {
	s := &Store{known: builtIns(), objects: map[key]*entry{}}
	for _, name := range []string{"default", "kube-system", "kube-public", "kube-node-lease"} {
		s.objects[key{kind: "Namespace", name: name}] = &entry{object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace",
			"metadata": map[string]any{"name": name, "uid": s.nextUID(), "resourceVersion": s.nextVersion()},
		}}
	}
	return s
}

// Down makes every call fail as if nothing listened, until it is called with false.
func (s *Store) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// FailAt makes the nth mutation from now (the first is 1) fail with err,
// before it has any effect. It happens once.
func (s *Store) FailAt(n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failAt, s.failWith = s.mutations+n, err
}

// Mutations counts the calls of Apply, Create, MergePatch and Delete.
func (s *Store) Mutations() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mutations
}

// Put stores obj as it is, status included, past hooks and counts: what
// another component did. It panics on an object that is not JSON.
func (s *Store) Put(obj *unstructured.Unstructured) {
	object, err := normalise(obj.Object)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := keyOf(kube.RefOf(obj))
	e := s.objects[k]
	if e == nil {
		e = &entry{}
	}
	old := e.object
	e.object = object
	e.updated, e.applied = leaves(object), e.applied.unchanged(old, object)
	s.stamp(e, old)
	s.objects[k] = e
}

// Snapshot is a dump of all objects as YAML, in order and without what differs
// between two runs: resource version, uid, creation time, generation. The uid of
// an owner is in it only if no object has it.
func (s *Store) Snapshot() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	uids := map[types.UID]bool{}
	for _, e := range s.objects {
		uids[(&unstructured.Unstructured{Object: e.object}).GetUID()] = true
	}
	var documents []string
	for _, k := range s.sortedKeys() {
		object := deepCopy(s.objects[k].object)
		owners, _, _ := unstructured.NestedSlice(object, "metadata", "ownerReferences")
		for _, owner := range owners {
			if ref, ok := owner.(map[string]any); ok && uids[types.UID(fmt.Sprint(ref["uid"]))] {
				delete(ref, "uid")
			}
		}
		if len(owners) > 0 {
			_ = unstructured.SetNestedSlice(object, owners, "metadata", "ownerReferences") // it was one
		}
		for _, field := range []string{"resourceVersion", "uid", "creationTimestamp", "generation", "managedFields"} {
			unstructured.RemoveNestedField(object, "metadata", field)
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			panic(err) // normalise let only JSON in
		}
		documents = append(documents, string(text))
	}
	return strings.Join(documents, "---\n")
}

// enter runs the hooks that may fail a call.
func (s *Store) enter(verb string, ref kube.Ref) error {
	s.mu.Lock()
	down, failure := s.down, error(nil)
	if !down && mutates(verb) {
		s.mutations++
		if s.mutations == s.failAt {
			failure = s.failWith
		}
	}
	s.mu.Unlock()
	if down {
		return connectionRefused(verb)
	}
	if failure != nil {
		return failure
	}
	if s.Before != nil {
		return s.Before(verb, ref)
	}
	return nil
}

func mutates(verb string) bool {
	return slices.Contains([]string{"apply", "create", "patch", "delete"}, verb)
}

func connectionRefused(verb string) error {
	return &url.Error{Op: verb, URL: "https://kubetest.invalid:6443", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}}
}

func (s *Store) nextVersion() string {
	s.version++
	return fmt.Sprint(s.version)
}

func (s *Store) nextUID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012d", s.version+1)
}

func (s *Store) now() string {
	clock := s.Now
	if clock == nil {
		clock = time.Now
	}
	return clock().UTC().Format(time.RFC3339)
}

func (s *Store) sortedKeys() []key {
	var all []key
	for k := range s.objects {
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b key) int {
		return strings.Compare(a.group+"\x00"+a.kind+"\x00"+a.namespace+"\x00"+a.name, b.group+"\x00"+b.kind+"\x00"+b.namespace+"\x00"+b.name)
	})
	return all
}

func keyOf(ref kube.Ref) key { return key{ref.Group, ref.Kind, ref.Namespace, ref.Name} }
