package applet

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// tarUsage covers what this tar can do.
const tarUsage = "tar -c|-x|-t [-v] [-z] [-f ARCHIVE] [-C DIR] [--strip-components N] [FILE]..."

// tarArchive makes, lists and unpacks archives. Nothing is written outside the folder
// that it unpacks into.
func tarArchive(s Streams, args []string) int {
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") { // tar xzf NAME
		args = append([]string{args[0], "-" + args[1]}, args[2:]...)
	}
	o := parse(s, args, "cxtvzf:C:pS:om", map[string]string{
		"create": "c", "extract": "x", "list": "t", "verbose": "v", "gzip": "z", "file": "f", "directory": "C", "strip-components": "S",
	})
	if o.failed || len(o.set) == 0 {
		return usage(s, tarUsage)
	}
	var err error
	switch {
	case o.has("c"):
		err = packFile(s, o)
	case o.has("x"), o.has("t"):
		err = withInput(s, archiveName(o), func(_ string, r io.Reader) error { return unpack(s, o, r) })
	default:
		return usage(s, tarUsage)
	}
	if err != nil {
		return fail(s, "tar", "%v", err)
	}
	return 0
}

func archiveName(o options) string {
	if name := o.set["f"]; name != "" {
		return name
	}
	return "-"
}

func packFile(s Streams, o options) error {
	if len(o.rest) == 0 {
		return errors.New("no file is named")
	}
	var out io.Writer = s.Out
	if name := archiveName(o); name != "-" {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		out = f
	}
	if o.has("z") {
		zip := gzip.NewWriter(out)
		return errors.Join(pack(s, o, zip), zip.Close())
	}
	return pack(s, o, out)
}

func pack(s Streams, o options, out io.Writer) error {
	w := tar.NewWriter(out)
	for _, name := range o.rest {
		base := filepath.Join(o.set["C"], name)
		err := filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(base, p)
			if err != nil {
				return err
			}
			return packOne(s, o, w, p, path.Join(strings.TrimLeft(filepath.ToSlash(name), "/"), rel))
		})
		if err != nil {
			return err
		}
	}
	return w.Close()
}

func packOne(s Streams, o options, w *tar.Writer, file, name string) error {
	info, err := os.Lstat(file)
	if err != nil {
		return err
	}
	target := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(file); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		fail(s, "tar", "%s is left out: %v", file, err) // a socket
		return nil
	}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
	}
	if o.has("v") {
		fmt.Fprintln(s.Err, h.Name)
	}
	if err := w.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	return withInput(s, file, func(_ string, r io.Reader) error {
		_, err := io.Copy(w, r)
		return err
	})
}

// unpack lists or extracts; it sees by itself whether the archive is compressed.
func unpack(s Streams, o options, r io.Reader) error {
	in := bufio.NewReader(r)
	r = in
	if magic, err := in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		zip, err := gzip.NewReader(in)
		if err != nil {
			return err
		}
		r = zip
	}
	strip, err := o.number("S", 0)
	if err != nil {
		return err
	}
	dir := "."
	if d := o.set["C"]; d != "" {
		dir = d
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !wanted(o.rest, h.Name) {
			continue
		}
		if o.has("t") {
			list(s, o, h)
			continue
		}
		if o.has("v") {
			fmt.Fprintln(s.Out, h.Name)
		}
		if err := extract(root, archive, h, strip); err != nil {
			return fmt.Errorf("%s: %w", h.Name, why(err))
		}
	}
}

// wanted tells whether name is one of the named files or below one; no names mean all.
func wanted(names []string, name string) bool {
	clean := path.Clean(name)
	for _, n := range names {
		if n = path.Clean(n); clean == n || strings.HasPrefix(clean, n+"/") {
			return true
		}
	}
	return len(names) == 0
}

func list(s Streams, o options, h *tar.Header) {
	if !o.has("v") {
		fmt.Fprintln(s.Out, h.Name)
		return
	}
	fmt.Fprintf(s.Out, "%s %d/%d %10d %s %s\n", modeString(h.FileInfo().Mode()), h.Uid, h.Gid, h.Size, h.ModTime.Format("2006-01-02 15:04"), h.Name)
}

func extract(root *os.Root, r io.Reader, h *tar.Header, strip int) error {
	parts := strings.Split(strings.TrimLeft(path.Clean(h.Name), "/"), "/")
	if len(parts) <= strip {
		return nil
	}
	name := path.Join(parts[strip:]...)
	mode := h.FileInfo().Mode().Perm()
	if h.Typeflag == tar.TypeDir {
		if err := root.MkdirAll(name, 0o777); err != nil || name == "." {
			return err
		}
		return root.Chmod(name, mode|0o700)
	}
	if err := root.MkdirAll(path.Dir(name), 0o777); err != nil {
		return err
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return extractFile(root, r, h, name, mode)
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(strings.TrimLeft(path.Clean(h.Linkname), "/"), name)
	}
	return errors.New("this kind of file is not made")
}

func extractFile(root *os.Root, r io.Reader, h *tar.Header, name string, mode fs.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, h.ModTime, h.ModTime)
}

// gzipFiles is gzip, gunzip and zcat.
func gzipFiles(s Streams, args []string) int {
	o := parse(s, args, "dckf123456789vn", map[string]string{"decompress": "d", "stdout": "c", "keep": "k", "force": "f"})
	if o.failed {
		return usage(s, args[0]+" [-dckf] [FILE]...")
	}
	if args[0] != "gzip" {
		o.set["d"] = ""
	}
	if len(o.rest) == 0 || o.has("c") || args[0] == "zcat" {
		return eachInput(s, args[0], o.rest, func(_ string, r io.Reader) error { return recode(o, s.Out, r) })
	}
	status := 0
	for _, file := range o.rest {
		if err := gzipInPlace(o, file); err != nil {
			status = fail(s, args[0], "%s: %v", file, why(err))
		}
	}
	return status
}

func recode(o options, w io.Writer, r io.Reader) error {
	if o.has("d") {
		zip, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(w, zip)
		return err
	}
	zip := gzip.NewWriter(w)
	_, err := io.Copy(zip, r)
	return errors.Join(err, zip.Close())
}

// gzipInPlace replaces file by its other form.
func gzipInPlace(o options, file string) error {
	to := file + ".gz"
	if o.has("d") {
		var ok bool
		if to, ok = strings.CutSuffix(file, ".gz"); !ok {
			return errors.New("the name does not end with .gz")
		}
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	mode := os.O_EXCL
	if o.has("f") {
		mode = os.O_TRUNC
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|mode, info.Mode().Perm())
	if err != nil {
		return err
	}
	if err := errors.Join(recode(o, out, in), out.Close()); err != nil {
		_ = os.Remove(to)
		return err
	}
	if o.has("k") {
		return nil
	}
	return os.Remove(file)
}
