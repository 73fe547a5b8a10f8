package joincmd

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/clusteradm/clusteradm/internal/diagnosis"
	"github.com/clusteradm/clusteradm/internal/kube"
)

// kubeletSigner is whom a kubelet asks for its client certificate.
const kubeletSigner = "kubernetes.io/kube-apiserver-client-kubelet"

// requests are those for the certificate of a node. A bootstrap token may list
// them: system:node-bootstrapper has it for the kubelet, which waits for its own.
func requests(ctx context.Context, r kube.Reader, node string) ([]diagnosis.Request, error) {
	all, err := r.List(ctx, kube.Ref{GroupVersionKind: schema.GroupVersionKind{Group: "certificates.k8s.io", Version: "v1", Kind: "CertificateSigningRequest"}}, "")
	if err != nil {
		return nil, err
	}
	var found []diagnosis.Request
	for i := range all {
		if request, ok := readRequest(&all[i], node); ok {
			found = append(found, request)
		}
	}
	return found, nil
}

// readRequest takes a request if it is for the kubelet of a node.
func readRequest(u *unstructured.Unstructured, node string) (diagnosis.Request, bool) {
	text := func(path ...string) string {
		value, _, _ := unstructured.NestedString(u.Object, path...)
		return value
	}
	if text("spec", "signerName") != kubeletSigner || requested(text("spec", "request")) != "system:node:"+node {
		return diagnosis.Request{}, false
	}
	r := diagnosis.Request{Name: u.GetName(), Requester: text("spec", "username"), Made: u.GetCreationTimestamp().Time, Issued: text("status", "certificate") != ""}
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		condition, ok := c.(map[string]any)
		if !ok {
			continue
		}
		get := func(name string) string { value, _ := condition[name].(string); return value }
		decision := diagnosis.Decision(strings.ToLower(get("type")))
		if decision == diagnosis.Approved && r.Decision != "" { // what went wrong goes before
			continue
		}
		r.Decision, r.Reason = decision, strings.Trim(get("reason")+": "+get("message"), ": ")
		r.Decided, _ = time.Parse(time.RFC3339, get("lastUpdateTime")) // zero: long ago
	}
	return r, true
}

// requested is the name that a request, PEM in base64, is for; empty if it
// cannot be read.
func requested(encoded string) string {
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return ""
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return ""
	}
	return request.Subject.CommonName
}
