package applet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// visited is a file that find looks at.
type visited struct {
	path  string
	depth int
	info  fs.FileInfo
}

// test is one word of an expression; an action is a test with an effect.
type test func(v visited) bool

// finder is one call of find: alternatives of tests that must all hold.
type finder struct {
	s           Streams
	any         [][]test
	acts        bool // an action was given, so -print is not implied
	prune       bool // the last visited folder is not entered
	max, min    int
	depthFirst  bool
	batches     []*batch // of -exec ... +
	now         time.Time
	exitFailure bool
}

func findFiles(s Streams, args []string) int {
	rest := args[1:]
	var roots []string
	for len(rest) > 0 && rest[0] != "!" && !strings.HasPrefix(rest[0], "-") {
		roots, rest = append(roots, rest[0]), rest[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	f := &finder{s: s, any: [][]test{nil}, max: 1 << 30, now: time.Now()}
	if err := f.parse(rest); err != nil {
		fail(s, "find", "%v", err)
		return 1
	}
	for _, root := range roots {
		info, err := os.Lstat(root)
		if err != nil {
			f.failed(root, err)
			continue
		}
		f.walk(visited{path: root, info: info})
	}
	for _, b := range f.batches {
		b.flush(f)
	}
	if f.exitFailure {
		return 1
	}
	return 0
}

func (f *finder) failed(path string, err error) {
	f.exitFailure = true
	fail(f.s, "find", "%s: %v", path, why(err))
}

func (f *finder) walk(v visited) {
	f.prune = false
	if !f.depthFirst && v.depth >= f.min {
		f.visit(v)
	}
	if v.info.IsDir() && !f.prune && v.depth < f.max {
		entries, err := os.ReadDir(v.path)
		if err != nil {
			f.failed(v.path, err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				f.walk(visited{path: strings.TrimSuffix(v.path, "/") + "/" + e.Name(), depth: v.depth + 1, info: info})
			}
		}
	}
	if f.depthFirst && v.depth >= f.min {
		f.visit(v)
	}
}

func (f *finder) visit(v visited) {
	for _, all := range f.any {
		if !holds(all, v) {
			continue
		}
		if !f.acts {
			fmt.Fprintln(f.s.Out, v.path)
		}
		return
	}
}

func holds(all []test, v visited) bool {
	for _, t := range all {
		if !t(v) {
			return false
		}
	}
	return true
}

// parse reads the expression: tests, joined by "and", negated by "!", "-o" between.
func (f *finder) parse(words []string) error {
	negate := false
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		switch word {
		case "!", "-not":
			negate = !negate
			continue
		case "-a", "-and":
			continue
		case "-o", "-or":
			f.any = append(f.any, nil)
			continue
		}
		t, used, err := f.word(word, words)
		if err != nil {
			return err
		}
		words = words[used:]
		if negate {
			plain := t
			t, negate = func(v visited) bool { return !plain(v) }, false
		}
		f.any[len(f.any)-1] = append(f.any[len(f.any)-1], t)
	}
	return nil
}

// word returns the test that word stands for and how many further words it used.
func (f *finder) word(word string, rest []string) (t test, used int, err error) {
	if t := f.action(word); t != nil {
		return t, 0, nil
	}
	if word == "-exec" {
		return f.exec(rest)
	}
	if len(rest) == 0 {
		return nil, 0, fmt.Errorf("%s is unknown, or needs a value", word)
	}
	t, err = f.valued(word, rest[0])
	return t, 1, err
}

// action returns what a word without a value does, nil if it is none.
func (f *finder) action(word string) test {
	end := "\n"
	switch word {
	case "-empty":
		return isEmpty
	case "-true":
		return func(visited) bool { return true }
	case "-depth":
		f.depthFirst = true
		return func(visited) bool { return true }
	case "-prune":
		return func(visited) bool { f.prune = true; return true }
	case "-delete":
		f.depthFirst, f.acts = true, true
		return func(v visited) bool {
			err := os.Remove(v.path)
			if err != nil {
				f.failed(v.path, err)
			}
			return err == nil
		}
	case "-print0":
		end = "\x00"
	case "-print":
	default:
		return nil
	}
	f.acts = true
	return func(v visited) bool { fmt.Fprint(f.s.Out, v.path, end); return true }
}

func isEmpty(v visited) bool {
	if !v.info.IsDir() {
		return v.info.Mode().IsRegular() && v.info.Size() == 0
	}
	entries, err := os.ReadDir(v.path)
	return err == nil && len(entries) == 0
}

// valued returns the test of a word with one value.
func (f *finder) valued(word, value string) (test, error) {
	switch word {
	case "-name":
		return globTest(value, func(v visited) string { return filepath.Base(v.path) })
	case "-iname":
		return globTest(strings.ToLower(value), func(v visited) string { return strings.ToLower(filepath.Base(v.path)) })
	case "-path", "-wholename":
		// A star crosses slashes here.
		flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x01") }
		return globTest(flat(value), func(v visited) string { return flat(v.path) })
	case "-type":
		return typeTest(value)
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(value)
		if word == "-maxdepth" {
			f.max = n
		} else {
			f.min = n
		}
		return func(visited) bool { return true }, err
	case "-newer":
		info, err := os.Stat(value)
		return func(v visited) bool { return v.info.ModTime().After(info.ModTime()) }, err
	case "-mtime":
		return f.compared(value, func(v visited) int64 { return int64(f.now.Sub(v.info.ModTime()) / (24 * time.Hour)) })
	case "-mmin":
		return f.compared(value, func(v visited) int64 { return int64(f.now.Sub(v.info.ModTime()) / time.Minute) })
	case "-size":
		return f.sizeTest(value)
	}
	return nil, fmt.Errorf("%s is unknown", word)
}

func globTest(pattern string, of func(visited) string) (test, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("bad pattern %q", pattern)
	}
	return func(v visited) bool {
		ok, _ := path.Match(pattern, of(v))
		return ok
	}, nil
}

func typeTest(letter string) (test, error) {
	wanted, ok := map[string]fs.FileMode{
		"f": 0, "d": fs.ModeDir, "l": fs.ModeSymlink, "p": fs.ModeNamedPipe, "s": fs.ModeSocket,
		"b": fs.ModeDevice, "c": fs.ModeDevice | fs.ModeCharDevice,
	}[letter]
	if !ok {
		return nil, fmt.Errorf("unknown type %q", letter)
	}
	return func(v visited) bool { return v.info.Mode().Type() == wanted }, nil
}

// compared is a test for "+N" (more), "-N" (less) or "N".
func (f *finder) compared(value string, of func(visited) int64) (test, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(value, "+-"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is not a number", value)
	}
	return func(v visited) bool {
		switch value[0] {
		case '+':
			return of(v) > n
		case '-':
			return of(v) < n
		}
		return of(v) == n
	}, nil
}

// sizeTest counts in units, rounded up, of 512 bytes or those of the last letter.
func (f *finder) sizeTest(value string) (test, error) {
	unit := int64(512)
	if value == "" {
		return nil, errors.New("-size needs a number")
	}
	if u, ok := map[byte]int64{'c': 1, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[value[len(value)-1]]; ok {
		unit, value = u, value[:len(value)-1]
	}
	if value == "" {
		return nil, errors.New("-size needs a number")
	}
	return f.compared(value, func(v visited) int64 { return (v.info.Size() + unit - 1) / unit })
}

// batch gathers paths for one run of a command.
type batch struct{ command, paths []string }

// batchSize keeps a command line below the kernel's limit.
const batchSize = 1000

func (f *finder) exec(words []string) (t test, used int, err error) {
	f.acts = true
	for i, w := range words {
		switch {
		case w == ";" && i > 0:
			command := words[:i]
			return func(v visited) bool { return f.run(command, v.path) == nil }, i + 1, nil
		case w == "+" && i > 1 && words[i-1] == "{}":
			b := &batch{command: words[:i-1]}
			f.batches = append(f.batches, b)
			return func(v visited) bool {
				if b.paths = append(b.paths, v.path); len(b.paths) == batchSize {
					b.flush(f)
				}
				return true
			}, i + 1, nil
		}
	}
	return nil, 0, errors.New("-exec needs a command that ends with ; or {} +")
}

func (b *batch) flush(f *finder) {
	if len(b.paths) == 0 {
		return
	}
	if f.start(append(append([]string{}, b.command...), b.paths...)) != nil {
		f.exitFailure = true
	}
	b.paths = nil
}

// run puts path in place of {} and runs command.
func (f *finder) run(command []string, path string) error {
	words := make([]string, len(command))
	for i, w := range command {
		words[i] = strings.ReplaceAll(w, "{}", path)
	}
	return f.start(words)
}

func (f *finder) start(words []string) error {
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = f.s.In, f.s.Out, f.s.Err
	err := cmd.Run()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		f.failed(words[0], err)
	}
	return err
}
