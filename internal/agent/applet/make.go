package applet

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func cat(s Streams, args []string) int {
	o := parse(s, args, "nu", map[string]string{"number": "n"})
	if o.failed {
		return usage(s, "cat [-n] [FILE]...")
	}
	number := 0
	return eachInput(s, "cat", o.rest, func(_ string, r io.Reader) error {
		if !o.has("n") {
			_, err := io.Copy(s.Out, r)
			return err
		}
		sc := lines(r)
		for sc.Scan() {
			number++
			fmt.Fprintf(s.Out, "%6d\t%s\n", number, sc.Bytes())
		}
		return sc.Err()
	})
}

func mkdir(s Streams, args []string) int {
	o := parse(s, args, "pvm:", map[string]string{"parents": "p", "mode": "m", "verbose": "v"})
	if o.failed || len(o.rest) == 0 {
		return usage(s, "mkdir [-p] [-m MODE] DIRECTORY...")
	}
	make := os.Mkdir
	if o.has("p") {
		make = os.MkdirAll
	}
	status := 0
	for _, dir := range o.rest {
		err := make(dir, 0o777)
		if mode, ok := o.set["m"]; ok && err == nil {
			var change modeChange
			if change, err = parseMode(mode, 0); err == nil {
				err = os.Chmod(dir, goMode(change(0o777, true)))
			}
		}
		if err != nil {
			status = fail(s, "mkdir", "%s: %v", dir, why(err))
		} else if o.has("v") {
			fmt.Fprintln(s.Out, dir)
		}
	}
	return status
}

func rm(s Streams, args []string) int {
	o := parse(s, args, "rRfivd", map[string]string{"recursive": "r", "force": "f", "verbose": "v", "dir": "d"})
	if o.failed || len(o.rest) == 0 && !o.has("f") {
		return usage(s, "rm [-rfv] FILE...")
	}
	status := 0
	for _, name := range o.rest {
		err := remove(name, o)
		if errors.Is(err, fs.ErrNotExist) && o.has("f") {
			continue
		}
		if err != nil {
			status = fail(s, "rm", "%s: %v", name, why(err))
		} else if o.has("v") {
			fmt.Fprintln(s.Out, name)
		}
	}
	return status
}

func remove(name string, o options) error {
	switch filepath.Base(name) {
	case ".", "..", "/":
		return errors.New("refused: that is a folder still needed")
	}
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir() && o.has("r", "R"):
		return os.RemoveAll(strings.TrimRight(name, "/"))
	case info.IsDir() && !o.has("d"):
		return errors.New("is a directory; use -r to remove it")
	}
	return os.Remove(name)
}

func touch(s Streams, args []string) int {
	o := parse(s, args, "camd:r:", map[string]string{"no-create": "c", "date": "d", "reference": "r"})
	if o.failed || len(o.rest) == 0 {
		return usage(s, "touch [-cam] [-d TIME | -r FILE] FILE...")
	}
	t, err := moment(o)
	if err != nil {
		return fail(s, "touch", "%v", err)
	}
	access, change := t, t
	if o.has("a") && !o.has("m") {
		change = time.Time{} // the zero time leaves it as it is
	}
	if o.has("m") && !o.has("a") {
		access = time.Time{}
	}
	status := 0
	for _, name := range o.rest {
		err := os.Chtimes(name, access, change)
		if errors.Is(err, fs.ErrNotExist) {
			if o.has("c") {
				continue
			}
			if err = create(name); err == nil {
				err = os.Chtimes(name, access, change)
			}
		}
		if err != nil {
			status = fail(s, "touch", "%s: %v", name, why(err))
		}
	}
	return status
}

func create(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	return f.Close()
}

func mktemp(s Streams, args []string) int {
	o := parse(s, args, "dqp:t", map[string]string{"directory": "d", "quiet": "q", "tmpdir": "p"})
	if o.failed || len(o.rest) > 1 {
		return usage(s, "mktemp [-d] [-p DIR] [NAME.XXXXXX]")
	}
	dir, pattern := os.TempDir(), "tmp.*"
	if p := o.set["p"]; p != "" {
		dir = p
	}
	if len(o.rest) == 1 {
		given := o.rest[0]
		stem := strings.TrimRight(given, "X")
		if len(given)-len(stem) < 3 {
			return fail(s, "mktemp", "%s must end with at least three X", given)
		}
		if !o.has("p", "t") {
			dir = filepath.Dir(stem + "X")
		}
		pattern = strings.TrimSuffix(filepath.Base(stem+"X"), "X") + "*"
	}
	name, err := temporary(dir, pattern, o.has("d"))
	if err != nil {
		return fail(s, "mktemp", "%v", err)
	}
	fmt.Fprintln(s.Out, name)
	return 0
}

func temporary(dir, pattern string, folder bool) (string, error) {
	if folder {
		return os.MkdirTemp(dir, pattern)
	}
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// base64Text encodes with lines of 76 letters, or decodes, ignoring line ends.
func base64Text(s Streams, args []string) int {
	o := parse(s, args, "dDw:i", map[string]string{"decode": "d", "wrap": "w"})
	wrap, err := o.number("w", 76)
	if o.failed || err != nil || len(o.rest) > 1 {
		return usage(s, "base64 [-d] [-w COLUMNS] [FILE]")
	}
	return eachInput(s, "base64", o.rest, func(_ string, r io.Reader) error {
		if o.has("d", "D") {
			_, err := io.Copy(s.Out, base64.NewDecoder(base64.StdEncoding, r))
			return err
		}
		out := &wrapper{w: s.Out, width: wrap}
		encoder := base64.NewEncoder(base64.StdEncoding, out)
		_, err := io.Copy(encoder, r)
		return errors.Join(err, encoder.Close(), out.end())
	})
}

// wrapper breaks what is written into lines of width bytes; 0 means one line.
type wrapper struct {
	w          io.Writer
	width, col int
}

func (w *wrapper) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := len(p) - done
		if w.width > 0 {
			n = min(n, w.width-w.col)
		}
		if _, err := w.w.Write(p[done : done+n]); err != nil {
			return done, err
		}
		done, w.col = done+n, w.col+n
		if w.width > 0 && w.col == w.width {
			if err := w.end(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// end ends a line that was begun.
func (w *wrapper) end() error {
	if w.col == 0 || w.width == 0 {
		return nil
	}
	w.col = 0
	_, err := io.WriteString(w.w, "\n")
	return err
}
