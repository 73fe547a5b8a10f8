package procfs

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"
)

// Route is one route of the main table.
type Route struct {
	Prefix  netip.Prefix
	Link    string
	Gateway bool
}

const (
	flagUp      = 0x1
	flagGateway = 0x2
	flagReject  = 0x200
	flagLocal   = 0x80000000
)

// Routes4 reads /proc/net/route, whose numbers are in the machine's byte
// order: little-endian on all that Kubernetes is built for but s390x.
func Routes4(text string) []Route {
	var routes []Route
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 {
			continue
		}
		destination, err1 := strconv.ParseUint(fields[1], 16, 32)
		flags, err2 := strconv.ParseUint(fields[3], 16, 32)
		mask, err3 := strconv.ParseUint(fields[7], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || flags&flagUp == 0 || flags&flagReject != 0 {
			continue
		}
		var raw [4]byte
		binary.NativeEndian.PutUint32(raw[:], uint32(destination))
		prefix := netip.PrefixFrom(netip.AddrFrom4(raw), bits.OnesCount32(uint32(mask))).Masked()
		routes = append(routes, Route{Prefix: prefix, Link: fields[0], Gateway: flags&flagGateway != 0})
	}
	return routes
}

// Routes6 reads /proc/net/ipv6_route, without link-local and multicast ones
// and the machine's own addresses.
func Routes6(text string) []Route {
	var routes []Route
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 10 || len(fields[0]) != 32 {
			continue
		}
		raw, err1 := hex.DecodeString(fields[0])
		length, err2 := strconv.ParseUint(fields[1], 16, 8)
		flags, err3 := strconv.ParseUint(fields[8], 16, 32)
		if err1 != nil || err2 != nil || err3 != nil || length > 128 || flags&flagUp == 0 || flags&(flagReject|flagLocal) != 0 {
			continue
		}
		addr := netip.AddrFrom16([16]byte(raw))
		if addr.Is4In6() || addr.IsLinkLocalUnicast() || addr.IsMulticast() {
			continue
		}
		routes = append(routes, Route{Prefix: netip.PrefixFrom(addr, int(length)).Masked(), Link: fields[9], Gateway: flags&flagGateway != 0})
	}
	return routes
}

// HasHost reports whether /etc/hosts gives a name an address, and which.
func HasHost(hosts, name string) (string, bool) {
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		for i, f := range fields {
			if i > 0 && strings.EqualFold(f, name) {
				return fields[0], true
			}
		}
	}
	return "", false
}
