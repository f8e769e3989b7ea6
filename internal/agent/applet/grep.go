package applet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// search is one call of grep.
type search struct {
	s             Streams
	o             options
	re            *regexp.Regexp
	names         bool // lines are preceded by the file's name
	before, after int
	limit         int
	found, failed bool
}

// grep has the statuses of POSIX: 0 found, 1 not found, 2 an error.
func grep(s Streams, args []string) int {
	name := args[0]
	o := parse(s, args, "ivnclLrRqEFGPwxoHhsae:m:A:B:C:", map[string]string{
		"ignore-case": "i", "invert-match": "v", "line-number": "n", "count": "c", "recursive": "r", "quiet": "q",
		"files-with-matches": "l", "word-regexp": "w", "only-matching": "o", "extended-regexp": "E", "fixed-strings": "F",
		"regexp": "e", "max-count": "m", "after-context": "A", "before-context": "B", "context": "C",
	})
	pattern, given := o.set["e"]
	if !given && len(o.rest) > 0 {
		pattern, given, o.rest = o.rest[0], true, o.rest[1:]
	}
	if o.failed || !given {
		return usage(s, name+" [-ivnclrqEFwxoHh] [-A N] [-B N] [-C N] PATTERN [FILE]...")
	}
	g := &search{s: s, o: o}
	if err := errors.Join(g.compile(name, pattern), g.counts()); err != nil {
		fail(s, name, "%v", err)
		return 2
	}
	g.run()
	switch {
	case g.found && (o.has("q") || !g.failed):
		return 0
	case g.failed:
		return 2
	}
	return 1
}

func (g *search) compile(name, pattern string) error {
	var alternatives []string
	for p := range strings.SplitSeq(pattern, "\n") {
		switch {
		case g.o.has("F") || name == "fgrep":
			p = regexp.QuoteMeta(p)
		case !g.o.has("E", "P") && name != "egrep":
			p = basicRegexp(p)
		}
		alternatives = append(alternatives, p)
	}
	expr := "(?:" + strings.Join(alternatives, "|") + ")"
	if g.o.has("w") {
		expr = `\b` + expr + `\b`
	}
	if g.o.has("x") {
		expr = `^` + expr + `$`
	}
	if g.o.has("i") {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return fmt.Errorf("cannot use the pattern %q: %w", pattern, err)
	}
	g.re = re
	return nil
}

// basicRegexp turns a POSIX basic regular expression into the extended kind: there,
// ( ) { } | + ? are ordinary unless escaped, and * is ordinary at the start.
func basicRegexp(p string) string {
	var b strings.Builder
	class := false
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case class:
			class = c != ']'
			b.WriteByte(c)
		case c == '\\' && i+1 < len(p):
			i++
			if !strings.ContainsRune("(){}|+?", rune(p[i])) {
				b.WriteByte('\\')
			}
			b.WriteByte(p[i])
		case strings.ContainsRune("(){}|+?", rune(c)), c == '*' && i == 0:
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			class = c == '[' && strings.Contains(p[i+1:], "]")
			b.WriteByte(c)
		}
	}
	return b.String()
}

func (g *search) counts() error {
	context, err1 := g.o.number("C", 0)
	before, err2 := g.o.number("B", context)
	after, err3 := g.o.number("A", context)
	limit, err4 := g.o.number("m", -1)
	g.before, g.after, g.limit = before, after, limit
	return errors.Join(err1, err2, err3, err4)
}

func (g *search) run() {
	recursive := g.o.has("r", "R")
	files := g.o.rest
	if len(files) == 0 {
		files = []string{"-"}
		if recursive {
			files = []string{"."}
		}
	}
	g.names = (len(files) > 1 || recursive || g.o.has("H")) && !g.o.has("h")
	for _, file := range files {
		if !recursive || file == "-" {
			g.report(file, withInput(g.s, file, g.file))
			continue
		}
		_ = filepath.WalkDir(file, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				err = withInput(g.s, path, g.file)
			}
			g.report(path, err)
			return nil
		})
	}
}

func (g *search) report(file string, err error) {
	if err == nil {
		return
	}
	g.failed = true
	if !g.o.has("s") {
		fail(g.s, "grep", "%s: %v", file, why(err))
	}
}

func (g *search) file(file string, r io.Reader) error {
	if f, ok := r.(*os.File); ok && file != "-" {
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return errors.New("is a directory")
		}
	}
	label := file
	if file == "-" {
		label = "(standard input)"
	}
	out := matches{search: g, label: label}
	sc := lines(r)
	for sc.Scan() && !out.done {
		out.line(sc.Bytes())
	}
	out.end()
	return sc.Err()
}

// matches prints what was found in one file.
type matches struct {
	*search
	label                  string
	number, count, printed int // printed is the number of the last printed line
	trailing               int // lines of context still to print
	held                   [][]byte
	done                   bool
}

func (m *matches) line(line []byte) {
	m.number++
	if m.re.Match(line) == m.o.has("v") {
		m.context(line)
		return
	}
	m.found, m.count = true, m.count+1
	m.done = m.o.has("q", "l", "L") || m.count == m.limit
	if m.o.has("q", "l", "L", "c") {
		return
	}
	if bytes.IndexByte(line, 0) >= 0 && !m.o.has("a") {
		fmt.Fprintf(m.s.Out, "grep: %s: binary file matches\n", m.label)
		m.done = true
		return
	}
	first := m.number - len(m.held)
	if m.before+m.after > 0 && m.printed > 0 && first > m.printed+1 {
		fmt.Fprintln(m.s.Out, "--")
	}
	for i, l := range m.held {
		m.print(first+i, "-", l)
	}
	m.held = nil
	if m.o.has("o") && !m.o.has("v") {
		for _, part := range m.re.FindAll(line, -1) {
			m.print(m.number, ":", part)
		}
	} else {
		m.print(m.number, ":", line)
	}
	m.trailing = m.after
}

func (m *matches) context(line []byte) {
	if m.trailing > 0 {
		m.trailing--
		m.print(m.number, "-", line)
		return
	}
	if m.before > 0 {
		m.held = append(m.held, bytes.Clone(line))
		m.held = m.held[max(0, len(m.held)-m.before):]
	}
}

func (m *matches) print(number int, mark string, line []byte) {
	prefix := ""
	if m.names {
		prefix = m.label + mark
	}
	if m.o.has("n") {
		prefix += fmt.Sprint(number) + mark
	}
	fmt.Fprintf(m.s.Out, "%s%s\n", prefix, line)
	m.printed = number
}

func (m *matches) end() {
	switch {
	case m.o.has("q"):
	case m.o.has("l") && m.count > 0, m.o.has("L") && m.count == 0:
		fmt.Fprintln(m.s.Out, m.label)
	case m.o.has("c") && m.names:
		fmt.Fprintf(m.s.Out, "%s:%d\n", m.label, m.count)
	case m.o.has("c"):
		fmt.Fprintln(m.s.Out, m.count)
	}
}
