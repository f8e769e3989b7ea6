package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestFoldersThatBeginAsTyped(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"src/api", "src/app", "src/.git", "src/bad\x1b[2J", "web"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"src/ap-link": "../web", "src/ap-lost": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "src/ap.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(dir, "src"))
	t.Setenv("HOME", dir)
	s := &dashSource{}
	for typed, want := range map[string][]string{
		"":                   {"ap-link", "api", "app"},
		".":                  {"./ap-link", "./api", "./app"},
		"./.":                {"./.git"},
		"..":                 {"../src", "../web"},
		".g":                 {".git"},
		"ap":                 {"ap-link", "api", "app"},
		"app":                {"app"},
		"app/":               nil,
		"none/":              nil,
		"~":                  {"~/src", "~/web"},
		"~/s":                {"~/src"},
		"~nobody/":           nil,
		dir + "/src/api":     {dir + "/src/api"},
		dir + "//src/api":    {dir + "//src/api"},
		dir + "/src/ap.txt/": nil,
	} {
		if got := s.Folders(typed); !slices.Equal(got, want) {
			t.Errorf("%q may become %q, want %q", typed, got, want)
		}
	}
}
