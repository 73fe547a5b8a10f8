package session

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
)

// defaultAddress is the address of the interface that has the default route,
// or the machine's only global one.
func defaultAddress() (netip.Addr, error) {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find default address: %w", err)
	}
	name := defaultInterface(string(routes))
	interfaces, err := net.Interfaces()
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find default address: %w", err)
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if name != "" && i.Name != name {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return netip.Addr{}, fmt.Errorf("find default address: %w", err)
		}
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().IsGlobalUnicast() {
				found = append(found, prefix.Addr())
			}
		}
	}
	if len(found) == 0 || name == "" && len(found) > 1 {
		return netip.Addr{}, errors.New("find default address: there is no default route; set --apiserver-advertise-address")
	}
	return found[0], nil
}

// defaultInterface reads /proc/net/route: name, destination in hex, …
func defaultInterface(routes string) string {
	for line := range strings.Lines(routes) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[1] == "00000000" {
			return fields[0]
		}
	}
	return ""
}
