package previewcheck

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/api"
)

func TestAFindingIsBoundedWhateverItQuotes(t *testing.T) {
	var r report
	long := strings.Repeat("\x1b[31m\n", 10_000)
	r.ok(onPage, "%s", long)
	r.warn(onPage, "a", long, "%s", long)
	r.fail(onPage, "b", long, "%s", long)
	r.add(api.Check{Name: onHot, Detail: long, Hint: long})
	for _, c := range r.Checks {
		for _, s := range []string{c.Detail, c.Hint} {
			if utf8.RuneCountInString(s) > maxSentence+1 || strings.ContainsAny(s, "\x1b\n") {
				t.Errorf("it says %.50q, of %d bytes", s, len(s))
			}
		}
	}
}

// Scripts go by the codes, so each stands in the table of the document, and no other does.
func TestEachCodeOfAFindingIsDocumented(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code = append(code, text...)
	}
	given := map[string]bool{"checks_busy": false, "path_invalid": false} // of the API
	for _, m := range regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"`).FindAllSubmatch(code, -1) {
		if _, known := given[string(m[1])]; !known {
			given[string(m[1])] = true
		}
	}
	given["redirects"], given["isolated"] = true, true
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "preview.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| Check | Code |")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for row := range strings.Lines(table) {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[2], -1) {
				documented[m[1]] = true
			}
		}
	}
	for code, finding := range given {
		if documented[code] != finding {
			t.Errorf("%s is documented: %t", code, documented[code])
		}
	}
	for code := range documented {
		if !given[code] {
			t.Errorf("%s is documented, and never given", code)
		}
	}
}
