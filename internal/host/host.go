// Package host is what a machine can be asked (Reader) and what may be done
// to it (Host). Commands are argv, never a string for a shell; every method
// takes a context, and with a cancelled one nothing is changed.
//
// Implementations: host/local (this machine), hosttest.Machine (in memory).
// All pass hosttest.RunConformance. Decorators: ReadOnly, Record, FailAt.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/clusteradm/clusteradm/internal/secret"
)

// Reader asks. No method of it changes the machine.
type Reader interface {
	// Name is how the machine is called in plans and messages.
	Name() string
	// Stat does not follow a symbolic link at path. errors.Is(err,
	// fs.ErrNotExist) holds when nothing is there, for every implementation
	// and every method below.
	Stat(ctx context.Context, path string) (Info, error)
	// ReadFile returns a whole file, following links.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(ctx context.Context, path string) ([]Info, error)
	// Open streams a file.
	Open(ctx context.Context, path string) (io.ReadCloser, error)
	// Digest looks at many paths in one round trip. A path that does not
	// exist is absent from the result. Like Stat it does not follow a symbolic
	// link; all that is no regular file has an empty Sum.
	Digest(ctx context.Context, paths []string) (map[string]Digest, error)
	// Query runs a command of the read-only table (see ReadOnlyCommand); any
	// other is refused with ErrNotReadOnly before it runs. A non-zero exit is
	// an *ExitError, and the Result is whole all the same; a program that is
	// not installed is fs.ErrNotExist.
	Query(ctx context.Context, cmd Cmd) (Result, error)
}

// Host also does.
type Host interface {
	Reader
	// WriteFiles replaces each file as a whole, atomically and durably:
	// dot-prefixed temporary files in the same directories are written and
	// fsynced, then renamed in the order given; a directory is fsynced before
	// the first rename in another, and at the end. A crash leaves of every path the old or the new content, and the
	// new ones form a prefix of the list. The directories must exist.
	WriteFiles(ctx context.Context, files []File) error
	// Rename moves old to new durably, or exchanges the two atomically.
	Rename(ctx context.Context, old, new string, exchange bool) error
	// Upload streams r to path like WriteFiles does, verifying its SHA-256
	// (hex) before the rename.
	Upload(ctx context.Context, path string, r io.Reader, attr Attr, sum string) error
	// Mkdir makes a directory and its missing parents (0755), and gives the
	// last one its attributes whether or not it existed. A link to a directory
	// counts as one.
	Mkdir(ctx context.Context, path string, attr Attr) error
	// Link makes path a symbolic link to target, durably and atomically in
	// place of a file or link that is there.
	Link(ctx context.Context, path, target string) error
	// Remove removes a file, or a directory with all below it. That nothing is
	// there is no error.
	Remove(ctx context.Context, path string) error
	// Run runs any command. Its errors are those of Query.
	Run(ctx context.Context, cmd Cmd) (Result, error)
}

// Dialer opens connections as if from the machine itself.
type Dialer interface {
	DialHost(ctx context.Context, network, addr string) (net.Conn, error)
}

// Info describes one path.
type Info struct {
	Name     string // the last element
	Mode     fs.FileMode
	Size     int64 // of a regular file, else 0
	UID, GID int
	ModTime  time.Time
	Changed  time.Time // ctime
	Target   string    // of a symbolic link; filled in by Stat only
}

// Digest is an Info and, for a regular file, the SHA-256 of its content in hex.
type Digest struct {
	Info
	Sum string
}

// Attr is mode and owner of a file or directory.
type Attr struct {
	Mode     fs.FileMode // permission bits
	UID, GID int
}

// File is one file to write.
type File struct {
	Path    string
	Content []byte
	Attr
}

// Cmd is one command. Secret values go through Stdin, never through Args.
type Cmd struct {
	Args    []string
	Stdin   []byte
	Env     []string // NAME=value, added to the machine's own
	Secrets []secret.String
	Timeout time.Duration // 0: the context's alone
}

// String shows the command for a message.
func (c Cmd) String() string { return strings.Join(c.Args, " ") }

// Result is what a command printed and how it ended.
type Result struct {
	Stdout, Stderr []byte
	Exit           int
}

// ExitError reports a command that ended with a non-zero exit code.
type ExitError struct {
	Cmd    string
	Exit   int
	Stderr string // whole
}

func (e *ExitError) Error() string {
	last := strings.TrimSpace(e.Stderr)
	if i := strings.LastIndexByte(last, '\n'); i >= 0 {
		last = last[i+1:]
	}
	if last == "" {
		return fmt.Sprintf("run %s: exit code %d", e.Cmd, e.Exit)
	}
	return fmt.Sprintf("run %s: exit code %d: %s", e.Cmd, e.Exit, last)
}

var (
	// ErrNotReadOnly reports a Query whose command is not in the table.
	ErrNotReadOnly = errors.New("command is not in the read-only table")
	// ErrReadOnly reports a mutation through a ReadOnly host: a tripwire, since
	// nothing that only observes may get there.
	ErrReadOnly = errors.New("host is read-only")
	// ErrSumMismatch reports an Upload of something else than was announced.
	ErrSumMismatch = errors.New("content does not have the expected sum")
	// ErrTruncated reports a command that printed more than an implementation
	// keeps (1 MiB); the Result has the beginning. An overlong standard error
	// is only marked as truncated.
	ErrTruncated = errors.New("output is truncated")
)

// query is a command that changes nothing: its first words, and whether others
// may follow them.
type query struct {
	words []string
	more  bool
}

var readOnly = []query{
	{words: []string{"systemctl", "is-active"}, more: true},
	{words: []string{"systemctl", "is-enabled"}, more: true},
	{words: []string{"systemctl", "show"}, more: true},
	{words: []string{"ss", "-H", "-l", "-t", "-n", "-p"}}, // nothing more: -K would close sockets
	{words: []string{"kubelet", "--version"}},
	{words: []string{"journalctl", "--no-pager", "--output=cat", "--lines=40", "--unit=kubelet.service"}}, // nothing more: --rotate would change it
	{words: []string{"uname", "-r"}},
	{words: []string{"stat", "-f", "-c"}, more: true},
	{words: []string{"getent", "ahosts"}, more: true},
	{words: []string{"ip", "-j", "-d", "link", "show"}},
	{words: []string{"iptables-save"}}, // nothing more: -t would make the table
	{words: []string{"ip6tables-save"}},
	{words: []string{"iptables-legacy-save"}},
	{words: []string{"ip6tables-legacy-save"}},
	{words: []string{"iptables-nft-save"}},
	{words: []string{"ip6tables-nft-save"}},
	{words: []string{"nft", "list", "tables"}},
}

// ReadOnlyCommand reports whether argv is in the read-only table.
func ReadOnlyCommand(args []string) bool {
	return slices.ContainsFunc(readOnly, func(q query) bool {
		return len(args) >= len(q.words) && slices.Equal(args[:len(q.words)], q.words) && (q.more || len(args) == len(q.words))
	})
}
