package applet

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// modeBits are the bits that chmod changes, as the system has them.
const modeBits = 0o7777

func chmod(s Streams, args []string) int {
	// A mode such as -x looks like an option; recursion is the only one that is.
	o := options{set: map[string]string{}}
	for i, a := range args[1:] {
		if a == "-R" || a == "--recursive" {
			o.set["R"] = ""
			continue
		}
		if a == "--" && i == len(o.rest) {
			continue
		}
		o.rest = append(o.rest, a)
	}
	if len(o.rest) < 2 {
		return usage(s, "chmod [-R] MODE FILE...")
	}
	change, err := parseMode(o.rest[0], currentUmask())
	if err != nil {
		return fail(s, "chmod", "%v", err)
	}
	status := 0
	apply := func(path string, info fs.FileInfo, err error) {
		if err == nil {
			err = os.Chmod(path, goMode(change(unixMode(info.Mode()), info.IsDir())))
		}
		if err != nil {
			status = fail(s, "chmod", "%s: %v", path, why(err))
		}
	}
	for _, path := range o.rest[1:] {
		info, err := os.Stat(path)
		apply(path, info, err)
		if err != nil || !o.has("R") || !info.IsDir() {
			continue
		}
		_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if p == path && err == nil || err == nil && d.Type()&fs.ModeSymlink != 0 {
				return nil
			}
			var info fs.FileInfo
			if err == nil {
				info, err = d.Info()
			}
			apply(p, info, err)
			return nil
		})
	}
	return status
}

// currentUmask reads the mask; there is no call that does only that.
func currentUmask() uint32 {
	mask := unix.Umask(0o22)
	unix.Umask(mask)
	return uint32(mask)
}

// modeChange gives the new bits of a file.
type modeChange func(old uint32, dir bool) uint32

// parseMode understands octal numbers and POSIX symbols: u+x, go-w, a=r, +X, u=g.
func parseMode(text string, umask uint32) (modeChange, error) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil && n <= modeBits {
		return func(uint32, bool) uint32 { return uint32(n) }, nil
	}
	var clauses []modeChange
	for clause := range strings.SplitSeq(text, ",") {
		c, err := parseClause(clause, umask)
		if err != nil {
			return nil, fmt.Errorf("cannot understand the mode %q", text)
		}
		clauses = append(clauses, c...)
	}
	return func(old uint32, dir bool) uint32 {
		for _, c := range clauses {
			old = c(old, dir)
		}
		return old
	}, nil
}

// parseClause parses [ugoa]*([+-=][rwxXstugo]*)+.
func parseClause(clause string, umask uint32) ([]modeChange, error) {
	rest := strings.TrimLeft(clause, "ugoa")
	who, masked := whoMask(clause[:len(clause)-len(rest)]), uint32(0)
	if len(rest) == len(clause) {
		masked = umask // no one is named: all, but not what the mask forbids
	}
	if rest == "" || !strings.ContainsRune("+-=", rune(rest[0])) {
		return nil, strconv.ErrSyntax
	}
	var out []modeChange
	for rest != "" {
		op := rest[0]
		end := strings.IndexAny(rest[1:], "+-=")
		if end < 0 {
			end = len(rest) - 1
		}
		letters := rest[1 : end+1]
		rest = rest[end+1:]
		if strings.Trim(letters, "rwxXstugo") != "" {
			return nil, strconv.ErrSyntax
		}
		out = append(out, func(old uint32, dir bool) uint32 {
			bits := letterBits(letters, old, dir) & who &^ masked
			switch op {
			case '+':
				return old | bits
			case '-':
				return old &^ bits
			}
			return old&^(who&0o777) | bits
		})
	}
	return out, nil
}

// whoMask is the part of a mode that belongs to the named classes.
func whoMask(who string) uint32 {
	if who == "" || strings.Contains(who, "a") {
		return modeBits
	}
	mask := uint32(0o1000)
	for _, w := range who {
		switch w {
		case 'u':
			mask |= 0o4700
		case 'g':
			mask |= 0o2070
		case 'o':
			mask |= 0o0007
		}
	}
	return mask
}

func letterBits(letters string, old uint32, dir bool) uint32 {
	bits := uint32(0)
	for _, l := range letters {
		switch l {
		case 'r':
			bits |= 0o444
		case 'w':
			bits |= 0o222
		case 'x':
			bits |= 0o111
		case 'X':
			if dir || old&0o111 != 0 {
				bits |= 0o111
			}
		case 's':
			bits |= 0o6000
		case 't':
			bits |= 0o1000
		case 'u':
			bits |= (old >> 6 & 7) * 0o111
		case 'g':
			bits |= (old >> 3 & 7) * 0o111
		case 'o':
			bits |= (old & 7) * 0o111
		}
	}
	return bits
}

func unixMode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

func goMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if bits&bit != 0 {
			m |= flag
		}
	}
	return m
}
