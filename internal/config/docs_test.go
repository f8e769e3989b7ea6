package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const document = "../../docs/configuration.md"

// The table of settings in the document is written from the code.
func TestTheDocumentHasEveryKeyWithItsDefaultAndRange(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- settings: written by a test, do not edit -->\n", "<!-- end of settings -->\n"
	before, rest, ok1 := strings.Cut(string(raw), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has lost its marks", document)
	}
	want := settingsTable()
	if *update {
		if err := os.WriteFile(document, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old != want {
		t.Errorf("%s differs from the code; run `go test ./internal/config -update`. Want:\n%s", document, want)
	}
}

func settingsTable() string {
	def := Default(0, "/root", func(string) (string, bool) { return "", false }, 8)
	user := Default(1000, "~", func(string) (string, bool) { return "", false }, 8)
	// Of the host, not of the one where this runs.
	const cores = 987654
	var b strings.Builder
	b.WriteString("| Key | Default | What it is | Must be |\n|---|---|---|---|\n")
	for _, k := range Keys(cores) {
		value := code(k.get(&def))
		if k.get(&def) != k.get(&user) {
			value = "see below"
		}
		if k.Name == "defaults.cpus" {
			value = "`2`, or all where there are fewer"
		}
		fmt.Fprintf(&b, "| `%s`<br>`%s` | %s | %s | %s |\n", k.Name, k.Env(), value, k.About,
			strings.ReplaceAll(k.Allowed(), fmt.Sprint(cores), "the cores of the host"))
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return "empty"
	}
	return "`" + s + "`"
}

// What the document shows as an example must load.
func TestTheExampleFileOfTheDocumentLoads(t *testing.T) {
	raw, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```toml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok || len(example) < 100 {
		t.Fatal("there is no example")
	}
	if _, err := Read(userSources(t, example)); err != nil {
		t.Error(err)
	}
}
