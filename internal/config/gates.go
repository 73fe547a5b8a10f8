package config

import (
	"fmt"
	"strconv"
	"strings"
)

// GatesUsage explains the flag that Gates is.
const GatesUsage = "feature gates of the tool, as NAME=true|false,…: NodeLocalCRISocket (always on), PublicKeysECDSA (deprecated)"

// knownGates are kubeadm's.
func knownGates() []string {
	return []string{"NodeLocalCRISocket", "PublicKeysECDSA", "RootlessControlPlane"}
}

// Gates is feature gates as a flag: NAME=true,OTHER=false.
type Gates map[string]bool

// Set adds the gates of one flag. Which of them there are, validation knows.
func (g *Gates) Set(text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		on, err := strconv.ParseBool(strings.TrimSpace(value))
		if err != nil {
			return fmt.Errorf("%q is not NAME=true or NAME=false", pair)
		}
		if *g == nil {
			*g = Gates{}
		}
		(*g)[strings.TrimSpace(name)] = on
	}
	return nil
}

// Type is how the flag's value is called in its help.
func (g *Gates) Type() string { return "NAME=true|false" }

// String is the flag's value.
func (g *Gates) String() string {
	var pairs []string
	for _, name := range sortedKeys(*g) {
		pairs = append(pairs, name+"="+strconv.FormatBool((*g)[name]))
	}
	return strings.Join(pairs, ",")
}
