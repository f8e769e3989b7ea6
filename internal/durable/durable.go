// Package durable writes small files that are whole after a crash or a power cut.
package durable

import (
	"errors"
	"os"
	"path/filepath"
)

// WriteFile makes path, or replaces it as a whole, with mode 0600, and returns once it is on
// the disk under its name: a crash at any time leaves the old or the new. Two at once for one
// path are not safe.
func WriteFile(path string, data []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
