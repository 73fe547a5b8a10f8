package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// closed says how a connection that was taken came to nothing, as it does where
// a load balancer has nobody to hand it on to; empty for all other errors.
func closed(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closes it without an answer (EOF)"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "resets it without an answer"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "is silent then"
	}
	return ""
}

// refused says what an answer other than 200 means. An API server's own are
// objects of kind Status; gateways answer for a backend that is not there.
func (f fetcher) refused(response *http.Response, body []byte) error {
	var object struct {
		Kind string `json:"kind"`
	}
	answer := fmt.Errorf("HTTP %d", response.StatusCode)
	own := json.Unmarshal(body, &object) == nil && object.Kind == "Status"
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch code := response.StatusCode; {
	case !own && (code == http.StatusBadGateway || code == http.StatusServiceUnavailable || code == http.StatusGatewayTimeout):
		return pending{reason: ErrNoBackend, detail: "an API server behind " + f.endpoint, cause: signed(answer, response, body)}
	case !own && (kind == "text/html" || code == http.StatusNotFound): // an API server that lacks it says so in an object
		return pending{reason: ErrNotAPIServer, detail: "an API server at " + f.endpoint, cause: signed(answer, response, body)}
	}
	// Not made yet, not yet readable to anonymous, or not served yet.
	return pending{reason: ErrNoClusterInfo, detail: fmt.Sprintf("cluster-info to be readable at %s (%v)", f.endpoint, answer), cause: answer}
}

// signed adds to an answer who gives it, by its own word.
func signed(answer error, response *http.Response, body []byte) error {
	if server := response.Header.Get("Server"); server != "" {
		answer = fmt.Errorf("%w from %q", answer, clip(server))
	}
	return fmt.Errorf("%w: %q", answer, clip(words(string(body))))
}

const clipAt = 80

func clip(s string) string {
	if len(s) > clipAt {
		return strings.ToValidUTF8(s[:clipAt], "") + "…"
	}
	return s
}

// words is what a page says, without its tags.
func words(page string) string {
	var text strings.Builder
	inTag := false
	for _, r := range page {
		switch {
		case r == '<':
			inTag = true
			text.WriteByte(' ')
		case r == '>':
			inTag = false
		case !inTag:
			text.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(text.String()), " ")
}
