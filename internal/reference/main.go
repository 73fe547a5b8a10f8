// Command reference writes the reference documentation from the commands
// themselves: Markdown with -dir, a file for each top-level command, and manual
// pages with -man, one for each command. It is a program of its own so that
// none of this is in clusteradm.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/clusteradm/clusteradm/internal/cli"
	"github.com/clusteradm/clusteradm/internal/cli/session"
)

func main() {
	dir := flag.String("dir", "", "directory for Markdown")
	man := flag.String("man", "", "directory for manual pages")
	flag.Parse()
	root := cli.New(&session.Session{})
	for _, set := range []struct {
		dir   string
		files func() map[string]string
	}{
		{*dir, func() map[string]string { return markdown(root) }},
		{*man, func() map[string]string { return manual(root) }},
	} {
		if set.dir == "" {
			continue
		}
		if err := write(set.dir, set.files()); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
	}
}

func write(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
