package applet

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func ln(s Streams, args []string) int {
	o := parse(s, args, "sfnv", map[string]string{"symbolic": "s", "force": "f", "no-dereference": "n"})
	if o.failed || len(o.rest) == 0 {
		return usage(s, "ln [-sfn] TARGET... LINK")
	}
	link := os.Link
	if o.has("s") {
		link = os.Symlink
	}
	targets, to := o.rest, "."
	if len(targets) > 1 {
		targets, to = o.rest[:len(o.rest)-1], o.rest[len(o.rest)-1]
	}
	stat := os.Stat
	if o.has("n") {
		stat = os.Lstat
	}
	info, err := stat(to)
	into := err == nil && info.IsDir()
	if len(targets) > 1 && !into {
		return fail(s, "ln", "%s is not a directory", to)
	}
	status := 0
	for _, target := range targets {
		name := to
		if into {
			name = filepath.Join(to, filepath.Base(target))
		}
		if o.has("f") {
			_ = os.Remove(name)
		}
		if err := link(target, name); err != nil {
			status = fail(s, "ln", "%s: %v", name, why(err))
		}
	}
	return status
}

func rmdir(s Streams, args []string) int {
	o := parse(s, args, "p", map[string]string{"parents": "p"})
	if o.failed || len(o.rest) == 0 {
		return usage(s, "rmdir [-p] DIRECTORY...")
	}
	status := 0
	for _, dir := range o.rest {
		for d := filepath.Clean(dir); d != "." && d != "/"; d = filepath.Dir(d) {
			// Only a folder: os.Remove would take a file too.
			info, err := os.Lstat(d)
			if err == nil && !info.IsDir() {
				err = fmt.Errorf("not a directory")
			}
			if err == nil {
				err = os.Remove(d)
			}
			if err != nil {
				status = fail(s, "rmdir", "%s: %v", d, why(err))
			}
			if err != nil || !o.has("p") {
				break
			}
		}
	}
	return status
}

func readlink(s Streams, args []string) int {
	o := parse(s, args, "fen", map[string]string{"canonicalize": "f"})
	if o.failed || len(o.rest) == 0 {
		return usage(s, args[0]+" [-f] PATH...")
	}
	status := 0
	for _, p := range o.rest {
		var target string
		var err error
		if o.has("f", "e") || args[0] == "realpath" {
			if target, err = filepath.Abs(p); err == nil {
				target, err = filepath.EvalSymlinks(target)
			}
		} else {
			target, err = os.Readlink(p)
		}
		if err != nil {
			status = fail(s, args[0], "%s: %v", p, why(err))
			continue
		}
		fmt.Fprintln(s.Out, target)
	}
	return status
}

func basename(s Streams, args []string) int {
	if len(args) < 2 || len(args) > 3 {
		return usage(s, "basename PATH [SUFFIX]")
	}
	base := filepath.Base(args[1])
	if len(args) == 3 && base != args[2] {
		base = strings.TrimSuffix(base, args[2])
	}
	fmt.Fprintln(s.Out, base)
	return 0
}

func dirname(s Streams, args []string) int {
	if len(args) < 2 {
		return usage(s, "dirname PATH...")
	}
	for _, p := range args[1:] {
		if trimmed := strings.TrimRight(p, "/"); trimmed != "" {
			p = trimmed
		}
		fmt.Fprintln(s.Out, filepath.Dir(p))
	}
	return 0
}

// checksum prints or, with -c, checks digests in the common format of "DIGEST  FILE".
func checksum(s Streams, args []string) int {
	name := args[0]
	o := parse(s, args, "cbt", map[string]string{"check": "c"})
	if o.failed {
		return usage(s, name+" [-c] [FILE]...")
	}
	if o.has("c") {
		return checkSums(s, name, o.rest)
	}
	return eachInput(s, name, o.rest, func(file string, r io.Reader) error {
		h := newHash(name)
		if _, err := io.Copy(h, r); err != nil {
			return err
		}
		fmt.Fprintf(s.Out, "%x  %s\n", h.Sum(nil), file)
		return nil
	})
}

func newHash(name string) hash.Hash {
	switch name {
	case "md5sum":
		return md5.New()
	case "sha1sum":
		return sha1.New()
	case "sha512sum":
		return sha512.New()
	}
	return sha256.New()
}

func checkSums(s Streams, name string, lists []string) int {
	bad := 0
	status := eachInput(s, name, lists, func(_ string, r io.Reader) error {
		sc := lines(r)
		for sc.Scan() {
			want, file, ok := strings.Cut(sc.Text(), " ")
			file = strings.TrimLeft(file, " *")
			if !ok || file == "" {
				continue
			}
			verdict := "FAILED"
			err := withInput(s, file, func(_ string, r io.Reader) error {
				h := newHash(name)
				_, err := io.Copy(h, r)
				if fmt.Sprintf("%x", h.Sum(nil)) == strings.ToLower(want) {
					verdict = "OK"
				}
				return err
			})
			if err != nil || verdict != "OK" {
				bad++
			}
			fmt.Fprintf(s.Out, "%s: %s\n", file, verdict)
		}
		return sc.Err()
	})
	if bad > 0 {
		return fail(s, name, "%d files do not match", bad)
	}
	return status
}
