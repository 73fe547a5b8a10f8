package preflight

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// vendorUUIDs are product UUIDs that makers of boards and of virtual machines
// left in many of them, as libvirt and cloud-init list them.
var vendorUUIDs = []string{
	"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "11111111-1111-1111-1111-111111111111",
	"00000000-0000-0000-0000-ffffffffffff", "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
	"01020304-0506-0708-090a-0b0c0d0e0f10", "12345678-1234-5678-90ab-cddeefaabbcc", "12345678-1234-1234-1234-123456789012",
	"fefefefe-fefe-fefe-fefe-fefefefefefe", "eeeeeeee-eeee-eeee-eeee-eeeeeeeeeeee", "55555555-5555-5555-5555-555555555555",
	"00112233-4455-6677-8899-aabbccddeeff", "deadbeef-dead-beef-dead-beefdeadbeef", "4c4c4544-0000-2010-8020-80c04f202020",
	"00000000-0000-0000-0000-000000000001", "6bb2be44-2a8b-11e3-8224-0800200c9a66", "76543210-4321-8765-ba98-fedcba987654",
}

func productUUID() Check {
	return Check{"ProductUUID", func(s Subject) []Finding {
		hint := "cat /sys/class/dmi/id/product_uuid"
		switch id := s.Facts.ProductUUID; {
		case id == "":
			return finding(Warning, hint, "this machine has no product_uuid to tell it from others")
		case slices.Contains(vendorUUIDs, id):
			return finding(Warning, hint, "product_uuid %s is a vendor's default that other machines have too", id)
		}
		return nil
	}}
}

func machineID() Check {
	return Check{"MachineID", func(s Subject) []Finding {
		id := s.Facts.MachineID
		if len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" && strings.Trim(id, "0") != "" {
			return nil
		}
		what := "is empty or missing"
		if id != "" {
			what = "is not a machine's: " + id
		}
		return finding(Warning, "rm -f /etc/machine-id && systemd-machine-id-setup", "/etc/machine-id %s; the node would have none to tell it from others", what)
	}}
}

// macAddress looks at interfaces with a device behind them. Those of a bond or
// a bridge share its address.
func macAddress() Check {
	return Check{"MACAddress", func(s Subject) []Finding {
		var findings []Finding
		seen := map[string]string{}
		for _, l := range s.Facts.Machine.Links {
			switch other := seen[l.MAC]; {
			case !l.Physical || l.Enslaved || strings.Count(l.MAC, ":") != 5: // InfiniBand and tunnels have others, or none
			case strings.Trim(l.MAC, "0:") == "":
				findings = append(findings, finding(Warning, "ip link show "+l.Name, "network interface %s has the MAC address %s", l.Name, l.MAC)...)
			case other != "":
				findings = append(findings, finding(Warning, "ip link show", "network interfaces %s and %s have the same MAC address %s", other, l.Name, l.MAC)...)
			default:
				seen[l.MAC] = l.Name
			}
		}
		return findings
	}}
}

func hostname() Check {
	return Check{"Hostname", func(s Subject) []Finding {
		var findings []Finding
		for _, wrong := range validation.IsDNS1123Subdomain(s.Node.Name) {
			findings = append(findings, finding(Warning, "hostnamectl set-hostname NAME", "node name %q: %s", s.Node.Name, wrong)...)
		}
		if r := s.Facts.Machine.HostName; r.Known && r.Address == "" {
			findings = append(findings, finding(Warning, "echo '"+s.Node.Address.String()+" "+s.Node.Name+"' >> /etc/hosts", "node name %s has no address: neither /etc/hosts nor a name server has it", s.Node.Name)...)
		}
		return findings
	}}
}
