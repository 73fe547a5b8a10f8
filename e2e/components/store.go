package components

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// digest is the key of an item: the hash of everything that decides its bytes,
// in the encoding of the value itself, so a new field changes the key.
func digest(inputs any) string {
	data, err := json.Marshal(inputs)
	if err != nil {
		panic(fmt.Sprintf("digest of %T: %v", inputs, err)) // only our own plain structs come here
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:16]
}

// store keeps finished items, each a directory that exists only when whole.
type store struct{ dir string }

// item returns the directory of the item, making it with build when it is not
// there. build writes into a temporary directory that is renamed afterwards; a
// build that fails or is interrupted leaves nothing behind that counts.
func (s store) item(name, key string, build func(dir string) error) (path string, built bool, err error) {
	path = filepath.Join(s.dir, name+"-"+key)
	if _, err := os.Stat(path); err == nil {
		return path, false, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("look up item %s: %w", name, err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return "", false, fmt.Errorf("make item %s: %w", name, err)
	}
	tmp, err := os.MkdirTemp(s.dir, ".tmp-"+name+"-")
	if err != nil {
		return "", false, fmt.Errorf("make item %s: %w", name, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", false, fmt.Errorf("make item %s: %w", name, err)
	}
	if err := build(tmp); err != nil {
		return "", false, err
	}
	if err := os.Rename(tmp, path); err != nil {
		// Another process made the same item meanwhile; its bytes are as good.
		if _, statErr := os.Stat(path); statErr == nil {
			return path, false, nil
		}
		return "", false, fmt.Errorf("finish item %s: %w", name, err)
	}
	return path, true, nil
}
