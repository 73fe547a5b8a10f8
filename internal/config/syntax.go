package config

import (
	"encoding/hex"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
	bootstrap "k8s.io/cluster-bootstrap/token/api" // and not its util, which compiles its patterns at every start

	"github.com/clusteradm/clusteradm/internal/config/v1beta4"
)

// Each method here checks one kind of value, so that no value reaches a path,
// an argument vector or a certificate in a form that means something else.

func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

func (f field) required(value, hint string) bool {
	if value == "" {
		f.bad("is required", hint)
	}
	return value != ""
}

// absolutePath wants a path that is what it looks like: no "..", no "//".
func (f field) absolutePath(value string) {
	switch {
	case value == "":
		f.bad("is required", "write an absolute path")
	case hasControl(value):
		f.bad("has control characters", "")
	case !path.IsAbs(value):
		f.bad(strconv.Quote(value)+" is not an absolute path", "")
	case path.Clean(value) != value:
		f.bad(strconv.Quote(value)+" is not in its simplest form", "write "+path.Clean(value))
	}
}

// ownDirectory is one that clusteradm fills and empties.
func (f field) ownDirectory(value string) {
	if f.absolutePath(value); value == "/" {
		f.bad("is the root directory", "name a directory of its own")
	}
}

func (f field) dnsName(value string) {
	if errs := validation.IsDNS1123Subdomain(value); len(errs) > 0 {
		f.bad(strconv.Quote(value)+" is not a DNS name: "+errs[0], "")
	}
}

func (f field) certSANs(values []string) {
	for i, san := range values {
		_, ipErr := netip.ParseAddr(san)
		if ipErr == nil && !strings.Contains(san, "%") || len(validation.IsDNS1123Subdomain(san)) == 0 || len(validation.IsWildcardDNS1123Subdomain(san)) == 0 {
			continue
		}
		f.item(i).bad(strconv.Quote(san)+" is no IP address and no DNS name", "names are lower case and may begin with *.")
	}
}

func (f field) port(value int32) {
	if value < 1 || value > 65535 {
		f.bad(strconv.Itoa(int(value))+" is not a port", "ports are 1 to 65535")
	}
}

// hostPort wants "host:port" with an address or a DNS name for a host.
func (f field) hostPort(value string) {
	host, port, ok := splitHostPort(value)
	if !ok {
		hint := "the port of an API server is 6443 unless it was set"
		if strings.Contains(value, ":") {
			hint = "write IPv6 addresses as [address]:port"
		}
		f.bad(strconv.Quote(value)+" is not host:port", hint)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		f.bad(strconv.Quote(port)+" is not a port", "ports are 1 to 65535")
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return
	}
	// All digits and dots is a mistyped address, never a name.
	if strings.Trim(host, "0123456789.") == "" {
		f.bad(strconv.Quote(host)+" is not an IP address", "")
		return
	}
	f.dnsName(host)
}

// token does not repeat the value: half of it is a secret.
func (f field) token(value string) {
	const form, made = "a token is 6 and 16 letters a-z and digits with a dot between; ", "on a control plane of the cluster: clusteradm token create --print-join-command"
	switch {
	case value == "":
		f.bad("is required", made)
	case matches(bootstrap.BootstrapTokenPattern, value):
	case f.kind == v1beta4.JoinKind: // one made up here would be unknown to the cluster
		f.bad("is not a bootstrap token", form+made)
	default:
		f.bad("is not a bootstrap token", form+"make one with: clusteradm token generate")
	}
}

func (f field) certificateKey(value string) {
	if key, err := hex.DecodeString(value); value != "" && (err != nil || len(key) != 32) {
		f.bad("is not a certificate key", "a key is 64 hexadecimal digits; make one with: clusteradm certs certificate-key")
	}
}

func (f field) imageRepository(value string) {
	const host = `([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(:[0-9]+)?`
	const component = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
	if len(value) > 200 || !matches(`^`+host+`(/`+component+`)*$`, value) {
		f.bad(strconv.Quote(value)+" is not an image repository", "write it as registry.example.com:5000/path, without a tag")
	}
}

func (f field) imageTag(value string) {
	if value != "" && !matches(`^\w[\w.-]{0,127}$`, value) {
		f.bad(strconv.Quote(value)+" is not an image tag", "")
	}
}

func (f field) oneOf(value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.bad(strconv.Quote(value)+" is not known", "one of "+strings.Join(allowed, ", "))
	}
}

// parseVersion reads an exact version and returns its minor, with the major in
// the bits above so that minors of different majors compare.
func parseVersion(value string) (minor int, ok bool) {
	const number = `(0|[1-9]\d{0,3})`
	m := regexp.MustCompile(`^v` + number + `\.` + number + `\.` + number + `([-+][0-9A-Za-z][-0-9A-Za-z.+]{0,60})?$`).FindStringSubmatch(value)
	if m == nil {
		return 0, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ = strconv.Atoi(m[2])
	return major<<16 | minor, true
}

func (f field) label(key, value string) {
	if errs := validation.IsQualifiedName(key); len(errs) > 0 {
		f.bad(strconv.Quote(key)+" is not a label key: "+errs[0], "")
	}
	if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
		f.bad(strconv.Quote(value)+" is not a label value: "+errs[0], "")
	}
}

func splitHostPort(value string) (host, port string, ok bool) {
	cut := strings.LastIndexByte(value, ':')
	if cut <= 0 {
		return "", "", false
	}
	host, port = value[:cut], value[cut+1:]
	if bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"); bracketed {
		return host[1 : len(host)-1], port, strings.Contains(host, ":")
	}
	return host, port, !strings.ContainsAny(host, ":[]")
}
