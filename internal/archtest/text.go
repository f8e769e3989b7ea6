package archtest

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Word is text that may stand nowhere in the tree. The parts are joined, so that
// the table does not hold what it forbids.
type Word struct {
	Parts []string
	Why   string
}

// Words of this tree.
var Words = []Word{
	{[]string{"/wo", "rk/main"}, "a path of one machine means nothing on another"},
	{[]string{"/wo", "rk/shared"}, "a path of one machine means nothing on another"},
	{[]string{"/wo", "rk/.library"}, "a path of one machine means nothing on another"},
	{[]string{"/tmp/", "brief"}, "a path of one machine means nothing on another"},
	{[]string{"/root/", "go/"}, "a path of one machine means nothing on another"},
	{[]string{"<<<<<", "<< "}, "the mark of a merge that was not finished"},
	{[]string{">>>>>", ">> "}, "the mark of a merge that was not finished"},
}

// maxText bounds the files that are searched, in bytes; larger ones are data.
const maxText = 1 << 20

// ForbiddenWords searches every text file below root, whatever its kind.
func ForbiddenWords(root string) ([]Violation, error) {
	var out []Violation
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != root && (name == ".git" || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if name == ".git" { // in a further worktree it is a file, which names the first by its path
			return nil
		}
		if info, err := d.Info(); err != nil || !info.Mode().IsRegular() || info.Size() > maxText {
			return nil // gone meanwhile, or no text
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return nil // gone meanwhile
		}
		rel, err := filepath.Rel(root, p)
		out = append(out, wordsIn(filepath.ToSlash(rel), text)...)
		return err
	})
	return out, err
}

func wordsIn(name string, text []byte) []Violation {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil // not text
	}
	var out []Violation
	for _, w := range Words {
		word := strings.Join(w.Parts, "")
		if i := bytes.Index(text, []byte(word)); i >= 0 {
			out = append(out, Violation{
				Rule: "words", Subject: name, Line: 1 + bytes.Count(text[:i], []byte("\n")),
				Problem: fmt.Sprintf("%q stands here (%s)", word, w.Why),
			})
		}
	}
	return out
}
