package server

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

const document = "../../docs/api.md"

// The tables of routes, kinds and codes in the document are written from the code.
func TestTheDocumentHasEveryRouteKindAndCode(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for name, want := range map[string]string{"routes": routeTable(), "kinds": kindTable(), "all codes": codeTable(t)} {
		begin, end := "<!-- "+name+": written by a test, do not edit -->\n", "<!-- end of "+name+" -->\n"
		before, rest, ok1 := strings.Cut(text, begin)
		old, after, ok2 := strings.Cut(rest, end)
		if !ok1 || !ok2 {
			t.Fatalf("%s has lost the marks of %s", document, name)
		}
		if old != want && !*update {
			t.Errorf("%s differs from the code; run `go test ./internal/server -update`. Want:\n%s", document, want)
		}
		text = before + begin + want + end + after
	}
	if *update {
		if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func routeTable() string {
	var b strings.Builder
	b.WriteString("| Route | | For | Query |\n|---|---|---|---|\n")
	for _, r := range routes() {
		var params []string
		for _, p := range r.params {
			params = append(params, "`"+p.name+"`")
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s |\n", r.method, r.path, r.summary, r.access, strings.Join(params, " "))
	}
	return b.String()
}

func kindTable() string {
	var b strings.Builder
	b.WriteString("| Kind | HTTP | wsctl | Retryable |\n|---|---|---|---|\n")
	for _, k := range fault.Kinds() {
		if k == fault.Usage { // never on the wire
			continue
		}
		retry := "no"
		c := fault.ClassOf(k)
		if c.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %d | %s |\n", k, c.HTTP, c.Exit, retry)
	}
	return b.String()
}

// The codes that the document names are those of the code, of the same kind.
func TestCodesThatAPIMdNamesExist(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "<!-- codes: checked by a test -->\n")
	table, _, ok := strings.Cut(rest, "<!-- end of codes -->")
	if !ok {
		t.Fatalf("%s has lost its marks", document)
	}
	given := map[string]bool{}
	for _, c := range codes(t) {
		given[c.name+" "+c.kind] = true
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z_]+) \\|").FindAllStringSubmatch(table, -1)
	if len(rows) < 20 {
		t.Errorf("the table has %d rows only", len(rows))
	}
	for _, row := range rows {
		if !given[row[1]+" "+row[2]] {
			t.Errorf("no code %s of kind %s is given anywhere", row[1], row[2])
		}
	}
}
