package tree

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
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
	return (&entries{in: tar.NewReader(r)}).unpackInto(root, "")
}

// UnpackOnly is Unpack for an archive of one file or folder called name: whoever was asked
// for that cannot write to anything beside it in dir, by its name or by a link.
func UnpackOnly(r io.Reader, dir, name string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &entries{in: tar.NewReader(r)}
	h, err := a.next("")
	switch {
	case errors.Is(err, io.EOF):
		return &ArchiveError{name, "is not in the archive"}
	case err != nil:
		return err
	case h.Name != name || h.Typeflag == tar.TypeLink:
		return &ArchiveError{h.Name, "is not what was asked for"}
	}
	if err := unpack(root, h, a.in); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		below, err := openFolder(root, name)
		if err != nil {
			return err
		}
		defer below.Close()
		if err := a.unpackInto(below, name+"/"); err != nil {
			return err
		}
		stateOf(h).restore(root)
		return nil
	}
	if h, err = a.next(""); err == nil {
		return &ArchiveError{h.Name, "is not what was asked for"}
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// openFolder opens a folder that is none by way of a link.
func openFolder(root *os.Root, name string) (*os.Root, error) {
	is, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	below, err := root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if opened, err := below.Stat("."); err != nil || !os.SameFile(is, opened) {
		return nil, errors.Join(&ArchiveError{name, "is a link here"}, below.Close())
	}
	return below, nil
}

// entries are those of an archive, read one by one.
type entries struct {
	in *tar.Reader
	n  int // entries so far
}

// next returns the next entry, with its name cleaned and without top, which it has to begin
// with; io.EOF at the end.
func (a *entries) next(top string) (*tar.Header, error) {
	h, err := a.in.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, err
	case err != nil:
		return nil, &ArchiveError{"the archive", "cannot be read: " + err.Error()}
	case a.n >= maxEntries:
		return nil, &ArchiveError{h.Name, fmt.Sprintf("is one more than the %d entries that an archive may have", maxEntries)}
	}
	a.n++
	if h.Name, err = inside(h.Name, top); err == nil && h.Typeflag == tar.TypeLink {
		h.Linkname, err = inside(h.Linkname, top)
	}
	return h, err
}

// unpackInto unpacks the rest of the archive, of which all is below top.
func (a *entries) unpackInto(root *os.Root, top string) error {
	var folders []state
	for {
		h, err := a.next(top)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := unpack(root, h, a.in); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir && h.Name != "." {
			folders = append(folders, stateOf(h))
		}
	}
	for _, f := range slices.Backward(folders) { // last, because files in them change their times
		f.restore(root)
	}
	return nil
}

// state is what a folder gets once it is full.
type state struct {
	name string
	mode os.FileMode
	time time.Time
}

func stateOf(h *tar.Header) state { return state{h.Name, h.FileInfo().Mode().Perm(), h.ModTime} }

func (s state) restore(root *os.Root) {
	_ = root.Chmod(s.name, s.mode)
	_ = root.Chtimes(s.name, time.Now(), s.time)
}

// inside cleans a name, makes sure that it does not lead out, and takes top away.
func inside(name, top string) (string, error) {
	clean := path.Clean(name)
	switch {
	case strings.ContainsRune(name, 0), path.IsAbs(name):
		return "", &ArchiveError{name, "is no relative name"}
	case clean == "..", strings.HasPrefix(clean, "../"):
		return "", &ArchiveError{name, "leads out of the folder"}
	case strings.Count(clean, "/") >= maxDepth:
		return "", &ArchiveError{name, "is too deep"}
	case !strings.HasPrefix(clean, top):
		return "", &ArchiveError{name, "is not what was asked for"}
	}
	return clean[len(top):], nil
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
		if sparse(h) {
			return &ArchiveError{h.Name, "comes without its holes, so a few bytes may stand for any number"}
		}
		return replace(root, h, func(tmp string) error { return write(root, tmp, h, content) })
	case tar.TypeSymlink:
		return replace(root, h, func(tmp string) error { return root.Symlink(h.Linkname, tmp) })
	case tar.TypeLink:
		return replace(root, h, func(tmp string) error { return root.Link(h.Linkname, tmp) })
	case tar.TypeXGlobalHeader:
		return nil
	}
	return &ArchiveError{h.Name, "is neither a file, a folder nor a link"}
}

// sparse reports whether the holes of a file are not in the archive (GNU tar, PAX formats).
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// replace lets create make a file beside the place of h and moves it there. The file has a
// name that nothing else has, be it of the archive or of another one that is unpacked here.
func replace(root *os.Root, h *tar.Header, create func(tmp string) error) error {
	tmp := path.Join(path.Dir(h.Name), ".tmp-"+rand.Text())
	err := create(tmp)
	if err == nil {
		err = root.Rename(tmp, h.Name)
	}
	if err != nil {
		_ = root.Remove(tmp)
	}
	return err
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
