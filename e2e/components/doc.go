// Package components builds the programs and images that real clusters in the
// lab are made of, from pinned Go modules, once per version.
//
// Every program is an item: it is built in a module of our own, generated from
// the inputs, and kept under a digest of those inputs. An item directory
// appears by one rename when it is whole, so an interrupted build is resumed
// by building again, and an item is used by every bundle that needs it. A
// bundle is one directory with the binaries, the image archives and a
// manifest.json for one set of versions.
//
// The package needs root only to install the Debian packages it builds with.
// It never fetches a binary or an image: what it cannot build it does not have.
package components
