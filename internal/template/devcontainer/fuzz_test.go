package devcontainer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

// Whatever a file says, the result is one that a workspace may have: no folder outside of
// the project, no rights, nothing that a validator refuses. See sound.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.jsonc")
	if err != nil || len(files) == 0 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "/srv/shop", "shop", "value")
		f.Add(string(text), "", `C:\shop`, "${localWorkspaceFolder}/..")
	}
	f.Fuzz(func(t *testing.T, text, project, folder, value string) {
		if project != "" && (!filepath.IsAbs(project) || filepath.Clean(project) != project || project == "/") {
			project = "/srv/shop"
		}
		in := input("", text)
		in.Project, in.Folder, in.ID = project, folder, "d0"
		in.Local = map[string]string{"HOME": value, "USER": value, "A": value}
		out, err := Read(in)
		if err != nil {
			if e := fault.From(err); e.Kind != fault.Invalid && e.Kind != fault.TooLarge {
				t.Fatalf("kind %s: %v", e.Kind, err)
			}
			return
		}
		sound(t, in, out)
		for _, n := range out.Spec.Notes {
			if n.Key == "" || n.Reason == "" || strings.ContainsFunc(n.Key+n.Reason, isControl) {
				t.Errorf("the note %q", n)
			}
		}
		if hash, err := Hash(text); err != nil || out.Consent != "" && out.Consent != hash {
			t.Errorf("the hash %q, %v", hash, err)
		}
		Late(out.Spec, in.Local)
	})
}
