package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// badRow is one row of docs/bad-input.md: number, package and test.
var badRow = regexp.MustCompile(`(?m)^\| (\d+) \|.*\| ([a-z/]+) (Test\w+) \|$`)

func TestTheCatalogueOfBadInputsNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "bad-input.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := badRow.FindAllStringSubmatch(string(text), -1)
	if want := regexp.MustCompile(`(?m)^\| \d`).FindAllIndex(text, -1); len(rows) != len(want) || len(rows) < 30 {
		t.Fatalf("%d of %d rows name a test", len(rows), len(want))
	}
	for _, r := range rows {
		if !strings.Contains(testsOf(t, r[2]), "func "+r[3]+"(t *testing.T)") {
			t.Errorf("row %s names %s, which is no test of %s", r[1], r[3], r[2])
		}
	}
}

// testsOf is the text of all test files of a package.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal", pkg, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests of %s: %v", pkg, err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
