package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

var exampleRE = regexp.MustCompile("(?s)<!-- example: ?([^>]*?) ?-->\n```json\n(.*?)```")

// TestDocumentedJSON runs each command of docs/cli/json.md that has an example, in its
// order, and holds what it prints against the example: every member of the example is
// there with the same type, and at its top level nothing else is.
func TestDocumentedJSON(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "cli", "json.md"))
	if err != nil {
		t.Fatal(err)
	}
	h := testHost(t)
	examples := exampleRE.FindAllStringSubmatch(string(page), -1)
	if len(examples) < 20 {
		t.Fatalf("only %d examples are found", len(examples))
	}
	for _, e := range examples {
		args := strings.Fields(e[1])
		name := strings.Join(args, " ")
		var want any
		if err := json.Unmarshal([]byte(e[2]), &want); err != nil {
			t.Errorf("%s: the example is no JSON: %v", name, err)
			continue
		}
		if name == "stats" {
			h.must(t, "start", "demo") // the page has stopped it before
		}
		cmd := h.command(append(args, "--json")...)
		cmd.Dir = h.dir
		var errOut strings.Builder
		cmd.Stderr = &errOut
		out, _ := cmd.Output() // errors are examples too
		if errOut.Len() > 0 {
			t.Errorf("%s: stderr has %q", name, errOut.String())
		}
		var got any
		if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&got); err != nil {
			t.Errorf("%s prints no JSON: %v\n%s", name, err, out)
			continue
		}
		for _, problem := range differs("", want, got) {
			t.Errorf("%s: %s", name, problem)
		}
		strict(t, name, want, got)
	}
}

// optional members depend on the machine or on what happened before.
var optional = map[string]bool{"labels": true, "params": true, "spec": true, "stopped_at": true, "stop": true, "hint": true}

// strict reports members of the top level that the page does not show.
func strict(t *testing.T, name string, want, got any) {
	t.Helper()
	w, ok1 := want.(map[string]any)
	g, ok2 := got.(map[string]any)
	if !ok1 || !ok2 {
		return
	}
	for k := range g {
		if _, ok := w[k]; !ok && !optional[k] {
			t.Errorf("%s: the page does not show %q", name, k)
		}
	}
}

// differs lists members of want that got lacks or has in another type. Of an array the
// first element counts; an empty one says nothing about its elements.
func differs(path string, want, got any) (problems []string) {
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s is %T, the page says %T", path, got, want)}
	}
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k, v := range w {
			if x, ok := g[k]; ok {
				problems = append(problems, differs(path+"."+k, v, x)...)
			} else {
				problems = append(problems, path+"."+k+" is missing")
			}
		}
	case []any:
		g, _ := got.([]any)
		if len(w) > 0 && len(g) > 0 {
			return differs(path+".0", w[0], g[0])
		}
		if len(w) > 0 {
			return []string{path + " is empty"}
		}
	}
	return problems
}
