package applet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// copier is one call of cp or mv.
type copier struct {
	s                           Streams
	name                        string
	recurse, follow, preserve   bool
	force, keep, newer, verbose bool
	status                      int
}

func cp(s Streams, args []string) int {
	o := parse(s, args, "rRapfinvdPLTuHst:", map[string]string{
		"recursive": "r", "archive": "a", "preserve": "p", "force": "f", "no-clobber": "n", "verbose": "v",
		"dereference": "L", "no-dereference": "P", "update": "u", "no-target-directory": "T", "target-directory": "t",
	})
	recurse := o.has("r", "R", "a")
	c := &copier{
		s: s, name: "cp", recurse: recurse, follow: o.has("L") || !recurse && !o.has("P", "d"), preserve: o.has("p", "a"),
		force: o.has("f"), keep: o.has("n"), newer: o.has("u"), verbose: o.has("v"),
	}
	return c.run(o, "cp [-rapfnuv] [-t DIR] FILE... TO", c.copy)
}

func mv(s Streams, args []string) int {
	o := parse(s, args, "finvuTt:", map[string]string{
		"force": "f", "no-clobber": "n", "verbose": "v", "update": "u", "no-target-directory": "T", "target-directory": "t",
	})
	c := &copier{s: s, name: "mv", recurse: true, preserve: true, force: true, keep: o.has("n"), newer: o.has("u"), verbose: o.has("v")}
	return c.run(o, "mv [-fnuv] [-t DIR] FILE... TO", c.move)
}

// run applies one to each operand and its destination.
func (c *copier) run(o options, text string, one func(from, to string) error) int {
	from, to := o.rest, o.set["t"]
	if to == "" && len(from) > 0 {
		from, to = from[:len(from)-1], from[len(from)-1]
	}
	if o.failed || len(from) == 0 {
		return usage(c.s, text)
	}
	info, err := os.Stat(to)
	into := err == nil && info.IsDir() && !o.has("T")
	if !into && (len(from) > 1 || o.has("t")) {
		return fail(c.s, c.name, "%s is not a directory", to)
	}
	for _, f := range from {
		target := to
		if into {
			target = filepath.Join(to, filepath.Base(f))
		}
		if c.skips(f, target) {
			continue
		}
		if err := one(f, target); err != nil {
			c.fail(f, err)
		} else if c.verbose {
			fmt.Fprintf(c.s.Out, "%s -> %s\n", f, target)
		}
	}
	return c.status
}

func (c *copier) fail(file string, err error) {
	c.status = fail(c.s, c.name, "%s: %v", file, why(err))
}

// skips tells whether an existing target is to be kept.
func (c *copier) skips(from, to string) bool {
	old, err := os.Lstat(to)
	if err != nil {
		return false
	}
	if c.newer {
		info, err := os.Stat(from)
		return err == nil && !info.ModTime().After(old.ModTime())
	}
	return c.keep
}

// move renames, and copies where the target is on another file system.
func (c *copier) move(from, to string) error {
	err := os.Rename(from, to)
	if !errors.Is(err, unix.EXDEV) {
		return err
	}
	if err := c.copy(from, to); err != nil {
		return err
	}
	if c.status != 0 {
		return errors.New("kept, because not all of it could be copied")
	}
	return os.RemoveAll(from)
}

func (c *copier) copy(from, to string) error {
	stat := os.Lstat
	if c.follow {
		stat = os.Stat
	}
	info, err := stat(from)
	if err != nil {
		return err
	}
	if old, err := os.Stat(to); err == nil && os.SameFile(info, old) {
		return fmt.Errorf("is the same file as %s", to)
	}
	switch {
	case info.IsDir():
		return c.copyDir(from, to, info)
	case info.Mode()&fs.ModeSymlink != 0:
		return c.copyLink(from, to)
	case info.Mode().IsRegular():
		return c.copyFile(from, to, info)
	}
	return errors.New("this kind of file is not copied")
}

func (c *copier) copyDir(from, to string, info fs.FileInfo) error {
	if !c.recurse {
		return errors.New("is a directory; use -r to copy it")
	}
	if inside(from, to) {
		return fmt.Errorf("cannot be copied into itself, %s", to)
	}
	if err := os.Mkdir(to, info.Mode().Perm()|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := c.copy(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			c.fail(filepath.Join(from, e.Name()), err)
		}
	}
	return c.keepAttributes(to, info)
}

// inside tells whether to is from or below it, links resolved as far as they exist.
func inside(from, to string) bool {
	real := func(p string) string {
		abs, err := filepath.Abs(p)
		if err != nil {
			return p
		}
		if dir, err := filepath.EvalSymlinks(filepath.Dir(abs)); err == nil {
			return filepath.Join(dir, filepath.Base(abs))
		}
		return abs
	}
	a, b := real(from), real(to)
	return a == b || strings.HasPrefix(b, strings.TrimSuffix(a, "/")+"/")
}

func (c *copier) copyLink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := os.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, to)
}

func (c *copier) copyFile(from, to string, info fs.FileInfo) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	create := func() (*os.File, error) {
		return os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, info.Mode().Perm())
	}
	out, err := create()
	if err != nil && c.force && os.Remove(to) == nil {
		out, err = create()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to, why(err))
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return c.keepAttributes(to, info)
}

// keepAttributes gives to the mode, times and, where it is permitted, the owner of info.
func (c *copier) keepAttributes(to string, info fs.FileInfo) error {
	if !c.preserve {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = os.Lchown(to, int(st.Uid), int(st.Gid)) // only root may
	}
	if err := os.Chmod(to, info.Mode()); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}
