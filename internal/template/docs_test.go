package template

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// What the document shows must be a template, and every key must stand in it.
func TestTheDocumentIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```toml\n")
	example, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("there is no example")
	}
	tpl, err := Parse([]byte(example), "blog", nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := tpl.Resolve(Values{Workspace: "notes", Params: map[string]string{"title": "Field notes", "theme": "dark"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spec.Files[0].Content, "#!/bin/sh\necho \"publishing Field notes\"\necho \"to ${TARGET:-nowhere}\"\n"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	for _, name := range tomlKeys(reflect.TypeFor[manifest]()) {
		if !strings.Contains(string(raw), "`"+name) && !strings.Contains(string(raw), "`[["+name) && !strings.Contains(string(raw), "."+name+"`") {
			t.Errorf("the key %s is not in the document", name)
		}
	}
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range c.List() {
		if !strings.Contains(string(raw), "| `"+b.Name+"` |") {
			t.Errorf("the built-in template %s is not in the document", b.Name)
		}
	}
}

// tomlKeys returns the last part of every key below t.
func tomlKeys(t reflect.Type) []string {
	var out []string
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("toml"))
		out = append(out, tomlKeys(t.Field(i).Type)...)
	}
	return out
}
