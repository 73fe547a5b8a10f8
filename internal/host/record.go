package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
)

// Operations that a Log tells apart.
const (
	OpWrite    = "write"
	OpRename   = "rename"
	OpExchange = "exchange"
	OpUpload   = "upload"
	OpMkdir    = "mkdir"
	OpRemove   = "remove"
	OpRun      = "run"
	OpQuery    = "query"
)

// Entry is one recorded call. Contents, Stdin and Env are not recorded: they
// may be secret.
type Entry struct {
	Host  string
	Op    string
	Paths []string // what a mutation of files was about, in order
	Args  []string // of OpRun and OpQuery
	Exit  int      // of OpRun and OpQuery
	Err   error    // what the call returned
}

func (e Entry) String() string {
	what := e.Paths
	if e.Args != nil {
		what = e.Args
	}
	return e.Op + " " + strings.Join(what, " ")
}

// Mutates reports whether the call may have changed the machine.
func (e Entry) Mutates() bool { return e.Op != OpQuery }

// Log holds what was recorded, in the order in which the calls ended. The zero
// Log is empty and ready; several hosts may share one.
type Log struct {
	mu      sync.Mutex
	entries []Entry
}

func (l *Log) add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
}

// Entries returns a copy of all of them.
func (l *Log) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Mutations returns the entries that may have changed a machine.
func (l *Log) Mutations() []Entry {
	return slices.DeleteFunc(l.Entries(), func(e Entry) bool { return !e.Mutates() })
}

// Argv returns the arguments of every command, run or queried.
func (l *Log) Argv() [][]string {
	var all [][]string
	for _, e := range l.Entries() {
		if e.Args != nil {
			all = append(all, e.Args)
		}
	}
	return all
}

// String has one line for each entry.
func (l *Log) String() string {
	var b strings.Builder
	for _, e := range l.Entries() {
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// Record passes everything on to h and writes mutating calls and all commands
// into log.
func Record(h Host, log *Log) Host { return recorder{h, log} }

type recorder struct {
	Host
	log *Log
}

func (r recorder) file(op string, err error, paths ...string) error {
	r.log.add(Entry{Host: r.Name(), Op: op, Paths: paths, Err: err})
	return err
}

func (r recorder) command(op string, cmd Cmd, res Result, err error) (Result, error) {
	args := slices.Clone(cmd.Args)
	for i, arg := range args {
		args[i] = cmd.redact(arg) // of a command that was refused for it
	}
	r.log.add(Entry{Host: r.Name(), Op: op, Args: args, Exit: res.Exit, Err: err})
	return res, err
}

func (r recorder) WriteFiles(ctx context.Context, files []File) error {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.Path
	}
	return r.file(OpWrite, r.Host.WriteFiles(ctx, files), paths...)
}

func (r recorder) Rename(ctx context.Context, old, new string, exchange bool) error {
	op := OpRename
	if exchange {
		op = OpExchange
	}
	return r.file(op, r.Host.Rename(ctx, old, new, exchange), old, new)
}

func (r recorder) Upload(ctx context.Context, path string, body io.Reader, attr Attr, sum string) error {
	return r.file(OpUpload, r.Host.Upload(ctx, path, body, attr, sum), path)
}

func (r recorder) Mkdir(ctx context.Context, path string, attr Attr) error {
	return r.file(OpMkdir, r.Host.Mkdir(ctx, path, attr), path)
}

func (r recorder) Remove(ctx context.Context, path string) error {
	return r.file(OpRemove, r.Host.Remove(ctx, path), path)
}

func (r recorder) Run(ctx context.Context, cmd Cmd) (Result, error) {
	res, err := r.Host.Run(ctx, cmd)
	return r.command(OpRun, cmd, res, err)
}

func (r recorder) Query(ctx context.Context, cmd Cmd) (Result, error) {
	res, err := r.Host.Query(ctx, cmd)
	return r.command(OpQuery, cmd, res, err)
}

func (r recorder) DialHost(ctx context.Context, network, addr string) (net.Conn, error) {
	return dialThrough(ctx, r.Host, network, addr)
}

// dialThrough lets a decorator be a Dialer when what it decorates is one.
func dialThrough(ctx context.Context, h Host, network, addr string) (net.Conn, error) {
	d, ok := h.(Dialer)
	if !ok {
		return nil, fmt.Errorf("dial %s %s from %s: %w", network, addr, h.Name(), errors.ErrUnsupported)
	}
	return d.DialHost(ctx, network, addr)
}
