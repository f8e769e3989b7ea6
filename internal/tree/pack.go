package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Pack writes a tar archive of path, in which it is called name. Links are
// packed as links. Sockets, pipes and devices are left out, and so is what vanishes
// meanwhile. A file that changes its length meanwhile is cut or filled with zeros to the
// length that it began with.
func Pack(w io.Writer, path, name string) error {
	out := tar.NewWriter(w)
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			below, rerr := filepath.Rel(path, p)
			if rerr != nil {
				return rerr
			}
			err = pack(out, p, filepath.Join(name, below), d)
		}
		if errors.Is(err, fs.ErrNotExist) && p != path {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// Readable returns an error that names the first file or folder below path which Pack could
// not read. Whoever sends an archive asks before it begins: then there is still somebody to
// be told.
func Readable(path string) error {
	return filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p != path {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if err := unix.Access(p, unix.R_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &fs.PathError{Op: "open", Path: p, Err: err}
		}
		return nil
	})
}

func pack(out *tar.Writer, path, name string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	target := ""
	switch mode := info.Mode(); {
	case mode.IsRegular(), mode.IsDir():
	case mode&fs.ModeSymlink != 0:
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	default:
		return nil
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = name, "", "", tar.FormatPAX
	if info.IsDir() {
		h.Name += "/"
	}
	if !info.Mode().IsRegular() {
		return out.WriteHeader(h)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := out.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(f, info.Size()))
	if err == nil && n < info.Size() {
		_, err = io.CopyN(out, zeros{}, info.Size()-n)
	}
	if err != nil {
		return fmt.Errorf("cannot pack %q: %w", name, err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
