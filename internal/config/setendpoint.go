package config

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/clusteradm/clusteradm/internal/cluster"
	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
	"sigs.k8s.io/yaml"
)

// Endpoint is a controlPlaneEndpoint as it is written down, "host:port", of
// what a user gave: without a port it is that of an API server.
func Endpoint(value string) (string, error) {
	if host, ok := hostOnly(value); ok {
		value = net.JoinHostPort(host, strconv.Itoa(defaultBindPort))
	}
	c := newChecker(nil, Inputs{})
	c.at(v1beta4.ClusterKind, "controlPlaneEndpoint").hostPort(value)
	if len(c.errs) > 0 {
		return "", errors.New(strings.TrimSuffix(c.errs[0].Message+"; "+c.errs[0].Hint, "; "))
	}
	return value, nil
}

// SetBalancer gives a cluster a node load balancer with all the defaults, if it
// has none, or takes it away. The error is an Errors.
func SetBalancer(c *cluster.Cluster, there bool) error {
	switch {
	case !there:
		c.LoadBalancer = nil
	case c.LoadBalancer == nil:
		c.LoadBalancer = &cluster.NodeLoadBalancer{}
	}
	document, err := MarshalEndpoint(c)
	if err != nil {
		return err
	}
	return UnmarshalEndpoint(document, c)
}

const (
	endpointKey  = "controlPlaneEndpoint"
	apiServerKey = "apiServer"
	sansKey      = "certSANs"
)

// SetEndpoint gives a ClusterConfiguration that is uploaded another endpoint,
// and the API server's certificates further names. Everything else stays byte
// for byte, as long as the document is laid out as kubeadm does.
func SetEndpoint(document []byte, endpoint string, sans ...string) ([]byte, error) {
	var before, want map[string]any
	for _, into := range []*map[string]any{&before, &want} {
		if err := yaml.Unmarshal(document, into); err != nil || *into == nil {
			return nil, errors.New("set controlPlaneEndpoint: the ClusterConfiguration is not a valid document") // its parser may quote it
		}
	}
	want[endpointKey] = endpoint
	server, ok := want[apiServerKey].(map[string]any)
	if !ok {
		server = map[string]any{}
	}
	have, _ := server[sansKey].([]any)
	var added []string
	for _, san := range sans {
		if !slices.Contains(have, any(san)) {
			have, added = append(have, san), append(added, san)
		}
	}
	if len(added) > 0 {
		server[sansKey], want[apiServerKey] = have, server
	}
	if reflect.DeepEqual(before, want) {
		return document, nil
	}
	lines := setEndpointLine(strings.SplitAfter(string(document), "\n"), endpoint)
	if len(added) > 0 {
		lines = addSANLines(lines, added)
	}
	out, got := []byte(strings.Join(lines, "")), map[string]any{}
	if yaml.Unmarshal(out, &got) == nil && reflect.DeepEqual(got, want) {
		return out, nil
	}
	out, err := yaml.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("set controlPlaneEndpoint: %w", err)
	}
	return out, nil
}

// topKey is the name of a field of the document itself that begins on a line.
func topKey(line string) string {
	name, _, ok := strings.Cut(line, ":")
	if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return name
}

// fieldAt is where a field of the document is, or belongs by its name.
func fieldAt(lines []string, name string) (at int, there bool) {
	for i, line := range lines {
		switch key := topKey(line); {
		case key == name:
			return i, true
		case key > name:
			return i, false
		}
	}
	return len(lines), false
}

func setEndpointLine(lines []string, endpoint string) []string {
	line := endpointKey + ": " + quoted(endpoint) + "\n"
	at, there := fieldAt(lines, endpointKey)
	if there {
		lines[at] = line
		return lines
	}
	return slices.Insert(lines, at, line)
}

// quoted is a text as YAML has it.
func quoted(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil {
		return strconv.Quote(text)
	}
	return strings.TrimSpace(string(out))
}

func addSANLines(lines, sans []string) []string {
	items := make([]string, 0, len(sans))
	for _, san := range sans {
		items = append(items, "  - "+quoted(san)+"\n")
	}
	at, there := fieldAt(lines, apiServerKey)
	switch {
	case !there:
		return slices.Insert(lines, at, append([]string{apiServerKey + ":\n", "  " + sansKey + ":\n"}, items...)...)
	case strings.TrimSpace(lines[at]) != apiServerKey+":": // {}
		return slices.Concat(lines[:at], []string{apiServerKey + ":\n", "  " + sansKey + ":\n"}, items, lines[at+1:])
	}
	for i := at + 1; i < len(lines) && topKey(lines[i]) == ""; i++ {
		if strings.TrimRight(lines[i], "\n") != "  "+sansKey+":" {
			continue
		}
		for i++; i < len(lines) && strings.HasPrefix(lines[i], "  - "); i++ {
		}
		return slices.Insert(lines, i, items...)
	}
	return slices.Insert(lines, at+1, append([]string{"  " + sansKey + ":\n"}, items...)...)
}
