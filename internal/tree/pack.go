package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// ErrSpecial is what Pack and Readable say of a path that nothing can be packed of.
var ErrSpecial = errors.New("it is neither a file, a folder nor a link")

// Pack writes a tar archive of path, in which it is called name. Links are packed as links;
// one that somebody puts in the place of a folder or file meanwhile leads to nothing that is
// not below path. Sockets, pipes and devices below path are left out, and so is what vanishes
// meanwhile. A file that changes its length meanwhile is cut or filled with zeros to the
// length that it began with.
func Pack(w io.Writer, path, name string) error {
	out := tar.NewWriter(w)
	info, err := os.Lstat(path)
	if err == nil && !packable(info) {
		err = &fs.PathError{Op: "pack", Path: path, Err: ErrSpecial}
	}
	if err == nil {
		err = pack(out, here{}, path, path, name, info)
	}
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
		switch {
		case errors.Is(err, fs.ErrNotExist) && p != path:
			return nil
		case err != nil, d.IsDir(), d.Type() == fs.ModeSymlink:
			return err
		case !d.Type().IsRegular() && p == path:
			return &fs.PathError{Op: "pack", Path: p, Err: ErrSpecial}
		case !d.Type().IsRegular():
			return nil
		}
		if err := unix.Access(p, unix.R_OK); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &fs.PathError{Op: "open", Path: p, Err: err}
		}
		return nil
	})
}

func packable(info fs.FileInfo) bool {
	return info.Mode().IsRegular() || info.IsDir() || info.Mode()&fs.ModeSymlink != 0
}

// place is a folder whose files are packed.
type place interface {
	OpenRoot(name string) (*os.Root, error)
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	Readlink(name string) (string, error)
}

// here is the place of the path that Pack is given.
type here struct{}

func (here) OpenRoot(name string) (*os.Root, error) { return os.OpenRoot(name) }

func (here) OpenFile(name string, flag int, perm os.FileMode) (*os.File, error) {
	return os.OpenFile(name, flag|unix.O_NOFOLLOW, perm)
}

func (here) Readlink(name string) (string, error) { return os.Readlink(name) }

// pack packs what is called base in a place; path is its name in errors.
func pack(out *tar.Writer, in place, base, path, name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		root, err := in.OpenRoot(base)
		if err != nil {
			return about(path, err)
		}
		defer root.Close()
		return packFolder(out, root, path, name)
	case info.Mode().IsRegular():
		f, err := in.OpenFile(base, os.O_RDONLY|unix.O_NONBLOCK, 0) // it may be a pipe by now
		if err != nil {
			return about(path, err)
		}
		defer f.Close()
		return packFile(out, f, name)
	}
	target, err := in.Readlink(base)
	if err != nil {
		return about(path, err)
	}
	return writeHeader(out, name, target, info)
}

func packFolder(out *tar.Writer, root *os.Root, path, name string) error {
	list, err := root.Open(".")
	if err != nil {
		return about(path, err)
	}
	info, err1 := list.Stat()
	names, err2 := list.Readdirnames(-1)
	if err := errors.Join(err1, err2, list.Close()); err != nil {
		return &fs.PathError{Op: "read", Path: path, Err: err}
	}
	err = writeHeader(out, name+"/", "", info)
	slices.Sort(names) // the same files make the same archive
	for _, base := range names {
		if err == nil {
			err = packBelow(out, root, base, filepath.Join(path, base), filepath.Join(name, base))
		}
	}
	return about(path, err)
}

// packBelow packs one of a folder; what has vanished is nothing.
func packBelow(out *tar.Writer, root *os.Root, base, path, name string) error {
	info, err := root.Lstat(base)
	if err == nil && packable(info) {
		err = pack(out, root, base, path, name, info)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return about(path, err)
}

func packFile(out *tar.Writer, f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	if err := writeHeader(out, name, "", info); err != nil {
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

func writeHeader(out *tar.Writer, name, target string, info fs.FileInfo) error {
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	h.Name, h.Uname, h.Gname, h.Format = name, "", "", tar.FormatPAX
	return out.WriteHeader(h)
}

// about is err about path, where it is about the last part of that.
func about(path string, err error) error {
	if e, ok := err.(*fs.PathError); ok && !filepath.IsAbs(e.Path) { //nolint:errorlint // as it came from the system
		return &fs.PathError{Op: e.Op, Path: path, Err: e.Err}
	}
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
