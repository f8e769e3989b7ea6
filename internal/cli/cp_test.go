package cli

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The workspace chooses every name in what it sends.
func TestACopyGoesWhereItsNameSays(t *testing.T) {
	for _, tt := range []struct {
		from, sent string
		good       bool
	}{
		{"app", "app", true},
		{"/srv/app/", "app", true},
		{"dir/../app", "app", true},
		{"app", "mine", false},
		{"app", ".ssh", false},
		{".", "workspace", true}, // again
		{".", "new", true},
		{"..", "new", true},
		{".", "mine", false},
		{".", ".ssh", false},
		{"dir/..", "mine", false},
	} {
		t.Run(tt.from+" as "+tt.sent, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"mine", "workspace"} {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			for _, h := range []tar.Header{{Name: tt.sent + "/", Typeflag: tar.TypeDir, Mode: 0o755}, {Name: tt.sent + "/f", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1}} {
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.WriteString(w, "x"); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			err := unpackInto(&b, dir, tt.from)
			_, there := os.Stat(filepath.Join(dir, tt.sent, "f"))
			if (err == nil) != tt.good || (there == nil) != tt.good {
				t.Errorf("%v; the file: %v", err, there)
			}
		})
	}
}
