package procfs

import "strings"

// Tables reads lines of `nft list tables`, "table ip kube-proxy", into family
// and name.
func Tables(text string) []string {
	var tables []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "table" {
			tables = append(tables, fields[1]+" "+fields[2])
		}
	}
	return tables
}
