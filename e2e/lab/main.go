// Command lab makes real Kubernetes machines out of this one:
//
//	go run ./e2e/lab up -nodes cp1,w1,w2
//	go run ./e2e/lab exec cp1 kubectl get nodes
//	go run ./e2e/lab down
//
// The library under it is e2e/lab/nodes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/clusteradm/clusteradm/e2e/components"
	"github.com/clusteradm/clusteradm/e2e/lab/nodes"
)

const usage = `usage: lab <command> [flags] [arguments]

  build                          build the components into the cache
  up -nodes cp1,w1,w2            make a lab and boot its nodes
  down                           remove a lab and everything it made
  status                         what labs there are, and their nodes
  exec NODE COMMAND [ARG...]     run a program inside a node
  ssh NODE [COMMAND...]          the same through the node's SSH server
  kill NODE...                   power loss
  reboot NODE...                 power loss, then on again with the same disk
  partition NODE [PEER...]       cut a node off from its peers, or from all
  heal NODE...                   undo partitions

flags, before the arguments: -name LAB (default "lab"), -kubernetes VERSION, -storage memory|disk
`

type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	name := flags.String("name", "lab", "")
	list := flags.String("nodes", "cp1,w1,w2", "")
	kubernetes := flags.String("kubernetes", components.DefaultKubernetes, "")
	storage := flags.String("storage", string(nodes.Memory), "")
	if err := flags.Parse(args[1:]); err != nil {
		return exitCode(2)
	}
	rest := flags.Args()
	switch args[0] {
	case "build":
		bundle, err := build(ctx, *kubernetes)
		if err != nil {
			return err
		}
		fmt.Println(bundle.Dir)
		return nil
	case "up":
		bundle, err := build(ctx, *kubernetes)
		if err != nil {
			return err
		}
		_, err = nodes.Up(ctx, nodes.Config{Name: *name, Nodes: strings.Split(*list, ","), Bundle: bundle, Storage: nodes.Storage(*storage), Logf: logf})
		return err
	case "down":
		err := nodes.Remove(ctx, *name)
		if errors.Is(err, nodes.ErrNoLab) {
			logf("no lab %s", *name)
			return nil
		}
		return err
	case "status":
		return status()
	}
	lab, err := nodes.Open(*name)
	if err != nil {
		return err
	}
	switch args[0] {
	case "exec", "ssh":
		if len(rest) == 0 || args[0] == "exec" && len(rest) < 2 {
			fmt.Fprint(os.Stderr, usage)
			return exitCode(2)
		}
		node := lab.Node(rest[0])
		if node == nil {
			return fmt.Errorf("lab %s has no node %s", *name, rest[0])
		}
		if args[0] == "ssh" {
			return finish(ssh(lab, node, rest[1:]).Run())
		}
		cmd := node.Command(ctx, rest[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		return finish(cmd.Run())
	case "kill":
		return each(lab, rest, func(n *nodes.Node) error { return n.Kill(ctx) })
	case "reboot":
		return each(lab, rest, func(n *nodes.Node) error { return n.Reboot(ctx) })
	case "heal":
		return each(lab, rest, func(n *nodes.Node) error { return n.Heal(ctx) })
	case "partition":
		var found []*nodes.Node
		if err := each(lab, rest, func(n *nodes.Node) error { found = append(found, n); return nil }); err != nil {
			return err
		}
		return found[0].Partition(ctx, found[1:]...)
	}
	fmt.Fprint(os.Stderr, usage)
	return exitCode(2)
}

func build(ctx context.Context, kubernetes string) (*components.Bundle, error) {
	v, err := components.VersionsFor(kubernetes)
	if err != nil {
		return nil, err
	}
	return components.Build(ctx, components.Config{Versions: v, Logf: logf})
}

func each(lab *nodes.Lab, names []string, do func(*nodes.Node) error) error {
	if len(names) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return exitCode(2)
	}
	for _, name := range names {
		node := lab.Node(name)
		if node == nil {
			return fmt.Errorf("lab %s has no node %s", lab.Name(), name)
		}
		if err := do(node); err != nil {
			return err
		}
	}
	return nil
}

func ssh(lab *nodes.Lab, node *nodes.Node, command []string) *exec.Cmd {
	args := []string{"-i", lab.KeyFile(), "-o", "IdentitiesOnly=yes", "-o", "UserKnownHostsFile=" + lab.KnownHosts(), "-o", "StrictHostKeyChecking=yes", "root@" + node.Address()}
	cmd := exec.Command("ssh", append(args, command...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd
}

// finish makes the program's exit code ours.
func finish(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exitCode(max(exit.ExitCode(), 1))
	}
	return err
}

func status() error {
	names, err := nodes.List()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LAB\tNODE\tADDRESS\tSTATE")
	for _, name := range names {
		lab, err := nodes.Open(name)
		if err != nil {
			fmt.Fprintf(w, "%s\t-\t-\tstale: %v\n", name, err)
			continue
		}
		for _, n := range lab.Nodes() {
			state := "off"
			if n.Running() {
				state = "on"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", name, n.Name(), n.Address(), state)
		}
	}
	return w.Flush()
}
