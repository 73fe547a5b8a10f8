package world_test

import (
	"bufio"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/clusteradm/clusteradm/internal/world"
)

func TestTell(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	told := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		line, _ := bufio.NewReader(conn).ReadString('\n')
		told <- line
	}()
	w := world.New(world.Parts{Machine: newMachine()})
	if err := w.Tell(t.Context(), "cp1", socket, "reload"); err != nil {
		t.Fatal(err)
	}
	if line := <-told; line != "reload\n" {
		t.Errorf("told %q", line)
	}
	if err := w.Tell(t.Context(), "cp1", socket+"2", "reload"); err == nil || !strings.HasPrefix(err.Error(), "tell ") {
		t.Errorf("nobody was told: %v", err)
	}
}
