package applet

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// entry is one name that ls shows.
type entry struct {
	name string
	path string
	info fs.FileInfo
}

type lister struct {
	s        Streams
	o        options
	width    int // of the terminal; 0 if there is none
	owners   map[uint32]string
	groups   map[uint32]string
	printed  bool
	titles   bool
	failures int
}

func ls(s Streams, args []string) int {
	o := parse(s, args, "laA1hrtSRdFpnigsCX", map[string]string{
		"all": "a", "almost-all": "A", "human-readable": "h", "recursive": "R", "reverse": "r", "directory": "d", "classify": "F", "color": "x",
	})
	if o.failed {
		return usage(s, "ls [-laA1hrtSRdFn] [FILE]...")
	}
	l := &lister{s: s, o: o, owners: map[uint32]string{}, groups: map[uint32]string{}}
	if f, ok := s.Out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			l.width = max(int(size.Col), 20)
		}
	}
	names := o.rest
	if len(names) == 0 {
		names = []string{"."}
	}
	l.run(names)
	if l.failures > 0 {
		return 1
	}
	return 0
}

func (l *lister) run(names []string) {
	var files, dirs []entry
	for _, name := range names {
		info, err := os.Lstat(name)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 && !l.o.has("l", "d") {
			if target, terr := os.Stat(name); terr == nil {
				info = target
			}
		}
		switch {
		case err != nil:
			l.fail(name, err)
		case info.IsDir() && !l.o.has("d"):
			dirs = append(dirs, entry{name: name, path: name, info: info})
		default:
			files = append(files, entry{name: name, path: name, info: info})
		}
	}
	l.titles = len(names) > 1 || l.o.has("R")
	l.sort(files)
	l.sort(dirs)
	if len(files) > 0 {
		l.print(files)
	}
	for _, d := range dirs {
		l.dir(d.path)
	}
}

func (l *lister) fail(name string, err error) {
	l.failures += fail(l.s, "ls", "%s: %v", name, why(err))
}

func (l *lister) dir(path string) {
	list, err := os.ReadDir(path)
	if err != nil {
		l.fail(path, err)
		return
	}
	var entries []entry
	if l.o.has("a") {
		for _, dot := range []string{".", ".."} {
			if info, err := os.Stat(filepath.Join(path, dot)); err == nil {
				entries = append(entries, entry{name: dot, path: filepath.Join(path, dot), info: info})
			}
		}
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || strings.HasPrefix(e.Name(), ".") && !l.o.has("a", "A") {
			continue // gone meanwhile, or hidden
		}
		entries = append(entries, entry{name: e.Name(), path: filepath.Join(path, e.Name()), info: info})
	}
	l.sort(entries)
	if l.titles {
		if l.printed {
			fmt.Fprintln(l.s.Out)
		}
		fmt.Fprintf(l.s.Out, "%s:\n", l.clean(path))
	}
	l.print(entries)
	if !l.o.has("R") {
		return
	}
	for _, e := range entries {
		if e.info.IsDir() && e.name != "." && e.name != ".." {
			l.dir(e.path)
		}
	}
}

func (l *lister) sort(entries []entry) {
	slices.SortStableFunc(entries, func(a, b entry) int {
		c := 0
		switch {
		case l.o.has("t"):
			c = b.info.ModTime().Compare(a.info.ModTime())
		case l.o.has("S"):
			c = cmp.Compare(b.info.Size(), a.info.Size())
		}
		c = cmp.Or(c, strings.Compare(a.name, b.name))
		if l.o.has("r") {
			return -c
		}
		return c
	})
}

func (l *lister) print(entries []entry) {
	l.printed = true
	switch {
	case l.o.has("l", "n", "g"):
		l.long(entries)
	case l.width > 0 && !l.o.has("1"):
		l.columns(entries)
	default:
		for _, e := range entries {
			fmt.Fprintln(l.s.Out, l.label(e))
		}
	}
}

// long aligns its columns over all entries.
func (l *lister) long(entries []entry) {
	var rows [][]string
	var widths [4]int
	for _, e := range entries {
		st, _ := e.info.Sys().(*syscall.Stat_t)
		if st == nil {
			st = &syscall.Stat_t{}
		}
		row := []string{strconv.FormatUint(uint64(st.Nlink), 10), l.owner(st.Uid), l.group(st.Gid), l.size(e.info)}
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
		rows = append(rows, row)
	}
	for i, e := range entries {
		label := l.label(e)
		if e.info.Mode()&fs.ModeSymlink != 0 {
			if target, err := os.Readlink(e.path); err == nil {
				label += " -> " + l.clean(target)
			}
		}
		fmt.Fprintf(l.s.Out, "%s %*s %-*s %-*s %*s %s %s\n", modeString(e.info.Mode()), widths[0], rows[i][0],
			widths[1], rows[i][1], widths[2], rows[i][2], widths[3], rows[i][3], stamp(e.info.ModTime()), label)
	}
}

// columns fills the lines of a terminal, sorted downwards.
func (l *lister) columns(entries []entry) {
	labels, widest := make([]string, len(entries)), 0
	for i, e := range entries {
		labels[i] = l.label(e)
		widest = max(widest, len([]rune(labels[i])))
	}
	perLine := max(1, l.width/(widest+2))
	height := (len(labels) + perLine - 1) / perLine
	for y := range height {
		line := ""
		for x := y; x < len(labels); x += height {
			line += fmt.Sprintf("%-*s", widest+2, labels[x])
		}
		fmt.Fprintln(l.s.Out, strings.TrimRight(line, " "))
	}
}

func (l *lister) label(e entry) string {
	label, mode := l.clean(e.name), e.info.Mode()
	switch {
	case mode.IsDir() && l.o.has("F", "p"):
		return label + "/"
	case mode&fs.ModeSymlink != 0 && l.o.has("F"):
		return label + "@"
	case mode.IsRegular() && mode&0o111 != 0 && l.o.has("F"):
		return label + "*"
	}
	return label
}

// clean keeps a name from steering the terminal it is shown on.
func (l *lister) clean(name string) string {
	if l.width == 0 {
		return name
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, name)
}

func (l *lister) size(info fs.FileInfo) string {
	if l.o.has("h") {
		return humanSize(info.Size())
	}
	return strconv.FormatInt(info.Size(), 10)
}

func (l *lister) owner(id uint32) string {
	return l.cached(l.owners, id, func(s string) (string, error) {
		u, err := user.LookupId(s)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (l *lister) group(id uint32) string {
	return l.cached(l.groups, id, func(s string) (string, error) {
		g, err := user.LookupGroupId(s)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// cached is the name of id, or its number where it has none.
func (l *lister) cached(names map[uint32]string, id uint32, find func(string) (string, error)) string {
	if name, ok := names[id]; ok {
		return name
	}
	number := strconv.FormatUint(uint64(id), 10)
	names[id] = number
	if !l.o.has("n") {
		if name, err := find(number); err == nil {
			names[id] = name
		}
	}
	return names[id]
}

// modeString is the ten letters of a long listing.
func modeString(m fs.FileMode) string {
	b := []byte("----------")
	for bit, letter := range map[fs.FileMode]byte{
		fs.ModeDir: 'd', fs.ModeSymlink: 'l', fs.ModeNamedPipe: 'p', fs.ModeSocket: 's', fs.ModeDevice: 'b', fs.ModeDevice | fs.ModeCharDevice: 'c',
	} {
		if m.Type() == bit {
			b[0] = letter
		}
	}
	for i := range 9 {
		if m&(1<<(8-i)) != 0 {
			b[i+1] = "rwx"[i%3]
		}
	}
	special := func(bit fs.FileMode, at int, letter byte) {
		if m&bit == 0 {
			return
		}
		if b[at] == '-' {
			letter -= 'a' - 'A'
		}
		b[at] = letter
	}
	special(fs.ModeSetuid, 3, 's')
	special(fs.ModeSetgid, 6, 's')
	special(fs.ModeSticky, 9, 't')
	return string(b)
}

// stamp is a time as ls shows it: the year in place of the hour where it is long ago.
func stamp(t time.Time) string {
	if age := time.Since(t); age > 180*24*time.Hour || age < -time.Hour {
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}
