package host

import "context"

// Link implements Host.
func (t tripwire) Link(_ context.Context, path, _ string) error { return t.refuse("link", path) }

// Link implements Host.
func (f *Failing) Link(ctx context.Context, path, target string) error {
	return f.one("link", path, func() error { return f.Host.Link(ctx, path, target) })
}

// OpLink is a recorded Link.
const OpLink = "link"

// Link implements Host.
func (r recorder) Link(ctx context.Context, path, target string) error {
	return r.file(OpLink, r.Host.Link(ctx, path, target), path)
}
