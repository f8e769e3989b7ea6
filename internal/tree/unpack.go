package tree

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// Bounds of one archive.
const (
	maxEntries = 1 << 20
	maxDepth   = 128
)

// Unpack writes the entries of a tar archive below dir, which has to be there. A file is
// written beside its place and moved there, so that a reader sees the old or the new one;
// a folder that is there is kept. Set-user-id bits are dropped. Devices, names that lead
// out and hard links to what is outside are an *ArchiveError. What was written before an
// error stays.
func Unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	in := tar.NewReader(r)
	var folders []*tar.Header
	for n := 0; ; n++ {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &ArchiveError{"the archive", "cannot be read: " + err.Error()}
		}
		if n >= maxEntries {
			return &ArchiveError{h.Name, fmt.Sprintf("is one more than the %d entries that an archive may have", maxEntries)}
		}
		name, err := inside(h.Name)
		if err != nil {
			return err
		}
		h.Name = name
		if err := unpack(root, h, in); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			folders = append(folders, h)
		}
	}
	for i := len(folders) - 1; i >= 0; i-- { // last, because files in them change their times
		h := folders[i]
		if h.Name != "." {
			_ = root.Chmod(h.Name, h.FileInfo().Mode().Perm())
			_ = root.Chtimes(h.Name, time.Now(), h.ModTime)
		}
	}
	return nil
}

// inside cleans a name and makes sure that it does not lead out.
func inside(name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case strings.ContainsRune(name, 0), path.IsAbs(name):
		return "", &ArchiveError{name, "is no relative name"}
	case clean == "..", strings.HasPrefix(clean, "../"):
		return "", &ArchiveError{name, "leads out of the folder"}
	case strings.Count(clean, "/") >= maxDepth:
		return "", &ArchiveError{name, "is too deep"}
	}
	return clean, nil
}

func unpack(root *os.Root, h *tar.Header, content io.Reader) error {
	if h.Name != "." {
		if err := root.MkdirAll(path.Dir(h.Name), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		err := root.Mkdir(h.Name, 0o755)
		if errors.Is(err, fs.ErrExist) {
			if info, serr := root.Lstat(h.Name); serr == nil && info.IsDir() {
				return nil
			}
		}
		if h.Name == "." {
			return nil
		}
		return err
	case tar.TypeReg:
		return replace(root, h, func(tmp string) error { return write(root, tmp, h, content) })
	case tar.TypeSymlink:
		return replace(root, h, func(tmp string) error { return root.Symlink(h.Linkname, tmp) })
	case tar.TypeLink:
		to, err := inside(h.Linkname)
		if err != nil {
			return err
		}
		return replace(root, h, func(tmp string) error { return root.Link(to, tmp) })
	case tar.TypeXGlobalHeader:
		return nil
	}
	return &ArchiveError{h.Name, "is neither a file, a folder nor a link"}
}

// replace lets create make a file beside the place of h and moves it there.
func replace(root *os.Root, h *tar.Header, create func(tmp string) error) error {
	dir, base := path.Split(h.Name)
	if len(base) > 200 {
		base = base[:200]
	}
	tmp := dir + ".tmp-" + base
	_ = root.Remove(tmp)
	if err := create(tmp); err != nil {
		_ = root.Remove(tmp)
		return err
	}
	if err := root.Rename(tmp, h.Name); err != nil {
		_ = root.Remove(tmp)
		return err
	}
	return nil
}

func write(root *os.Root, tmp string, h *tar.Header, content io.Reader) error {
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = spread(f, content)
	err = errors.Join(err, f.Chmod(h.FileInfo().Mode().Perm()), f.Close())
	if err != nil {
		return err
	}
	return root.Chtimes(tmp, time.Now(), h.ModTime)
}

// hole is the shortest run of zeros that is left out on disk, in bytes.
const hole = 64 << 10

// spread copies content into an empty file and leaves holes where it is zero for long: a
// sparse file is long in an archive, and must not fill the disk of who unpacks it.
func spread(f *os.File, content io.Reader) error {
	buf, zero := make([]byte, hole), make([]byte, hole)
	for size := int64(0); ; {
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var more int
			more, err = content.Read(buf[n:])
			n += more
		}
		if !bytes.Equal(buf[:n], zero[:n]) {
			if _, err := f.WriteAt(buf[:n], size); err != nil {
				return err
			}
		}
		size += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return f.Truncate(size)
		case err != nil:
			return err
		}
	}
}
