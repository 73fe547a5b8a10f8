// Command flannel is the lab's stand-in for the CNI plugin of the same name,
// which is not to be had as a Go module. It reads what flanneld wrote to
// /run/flannel/subnet.env and hands the request on to the bridge plugin, as
// the real one does; it knows no other delegate.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const subnetFile = "/run/flannel/subnet.env"

func main() {
	if err := run(); err != nil {
		// The CNI contract: the error is JSON on stdout and the exit code not 0.
		json.NewEncoder(os.Stdout).Encode(map[string]any{"cniVersion": "1.0.0", "code": 999, "msg": err.Error()})
		os.Exit(1)
	}
}

func run() error {
	if os.Getenv("CNI_COMMAND") == "VERSION" {
		_, err := fmt.Println(`{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0"]}`)
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fmt.Errorf("read network configuration: %w", err)
	}
	var conf map[string]any
	if err := json.Unmarshal(input, &conf); err != nil {
		return fmt.Errorf("parse network configuration: %w", err)
	}
	subnet, err := readSubnet(subnetFile)
	if err != nil {
		// Deleting must succeed once the daemon's state is gone (a rebooted or
		// reset node): there is nothing left that the bridge could give back.
		if os.Getenv("CNI_COMMAND") == "DEL" {
			return nil
		}
		return err
	}
	delegate, err := json.Marshal(delegateConf(conf, subnet))
	if err != nil {
		return fmt.Errorf("render bridge configuration: %w", err)
	}
	plugin, err := find("bridge")
	if err != nil {
		return err
	}
	cmd := exec.Command(plugin)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(delegate), os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			os.Exit(exit.ExitCode()) // the delegate has already printed its error
		}
		return fmt.Errorf("run %s: %w", plugin, err)
	}
	return nil
}

// delegateConf is the bridge's configuration: the user's "delegate" keys, with
// flannel's own defaults where the user said nothing.
func delegateConf(conf, subnet map[string]any) map[string]any {
	out := map[string]any{"type": "bridge", "isGateway": true}
	if d, ok := conf["delegate"].(map[string]any); ok {
		for k, v := range d {
			out[k] = v
		}
	}
	for _, k := range []string{"name", "cniVersion", "prevResult", "runtimeConfig"} {
		if v, ok := conf[k]; ok {
			out[k] = v
		}
	}
	if _, ok := out["ipMasq"]; !ok {
		out["ipMasq"] = subnet["FLANNEL_IPMASQ"] != "true" // flanneld masquerades itself
	}
	if _, ok := out["mtu"]; !ok {
		out["mtu"] = subnet["FLANNEL_MTU"]
	}
	out["ipam"] = map[string]any{
		"type":   "host-local",
		"ranges": []any{[]any{map[string]any{"subnet": subnet["FLANNEL_SUBNET"]}}},
		"routes": []any{map[string]any{"dst": subnet["FLANNEL_NETWORK"]}},
	}
	return out
}

func readSubnet(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load flannel's subnet file (is flanneld running?): %w", err)
	}
	defer f.Close()
	env := map[string]any{}
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, ok := strings.Cut(s.Text(), "=")
		if !ok {
			continue
		}
		env[key] = value
		switch key {
		case "FLANNEL_MTU":
			env[key] = json.Number(value)
		case "FLANNEL_SUBNET":
			// flanneld writes the gateway's address, host-local wants the network's.
			prefix, err := netip.ParsePrefix(value)
			if err != nil {
				return nil, fmt.Errorf("load %s: %w", path, err)
			}
			env[key] = prefix.Masked().String()
		}
	}
	if env["FLANNEL_SUBNET"] == nil || env["FLANNEL_MTU"] == nil {
		return nil, fmt.Errorf("load %s: FLANNEL_SUBNET or FLANNEL_MTU is missing", path)
	}
	return env, nil
}

func find(plugin string) (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv("CNI_PATH")) {
		path := filepath.Join(dir, plugin)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("find plugin %s: not in CNI_PATH %q", plugin, os.Getenv("CNI_PATH"))
}
