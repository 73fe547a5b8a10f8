package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

func TestDelegateConf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "subnet.env")
	const env = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
	if err := os.WriteFile(path, []byte(env), 0o644); err != nil {
		t.Fatal(err)
	}
	subnet, err := readSubnet(path)
	if err != nil {
		t.Fatal(err)
	}
	conf := map[string]any{
		"name": "cbr0", "cniVersion": "0.3.1", "type": "flannel",
		"delegate": map[string]any{"hairpinMode": true, "isDefaultGateway": true},
	}
	got, err := json.Marshal(delegateConf(conf, subnet))
	if err != nil {
		t.Fatal(err)
	}
	// host-local refuses a subnet with host bits, so 10.244.1.1 became .0.
	const want = `{"cniVersion":"0.3.1","hairpinMode":true,"ipMasq":false,"ipam":{"ranges":[[{"subnet":"10.244.1.0/24"}]],"routes":[{"dst":"10.244.0.0/16"}],"type":"host-local"},"isDefaultGateway":true,"isGateway":true,"mtu":1450,"name":"cbr0","type":"bridge"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestReadSubnetRefusesHalfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "subnet.env")
	if err := os.WriteFile(path, []byte("FLANNEL_MTU=1450\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readSubnet(path); err == nil {
		t.Error("a file without FLANNEL_SUBNET was accepted")
	}
}
