package daemon_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/template/devcontainer"
	"github.com/wsctl/wsctl/internal/uploads"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// A wsd that runs for months would keep every archive that it was ever sent.
func TestOldArchivesGoExceptThoseThatAWorkspaceWaitsFor(t *testing.T) {
	d := wstest.Start(t)
	send := func(content string) (path, digest string) {
		sum := sha256.Sum256([]byte(content))
		digest = hex.EncodeToString(sum[:])
		if err := d.PutUpload(t.Context(), digest, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(d.Config.StateDir, "uploads", digest), digest
	}
	wanted, digest := send("wanted")
	source := &workspace.Source{Kind: workspace.SourceUpload, Digest: digest}
	if _, err := d.Create(t.Context(), api.Create{Name: "demo", Stopped: true, CreateSource: api.CreateSource{Source: source}}, ""); err != nil {
		t.Fatal(err)
	}
	toBuild, digest := send("to be built")
	text := `{"build": {"dockerfile": "Dockerfile"}}`
	agreed, err := devcontainer.Hash(text)
	if err != nil {
		t.Fatal(err)
	}
	built := api.CreateSource{Devcontainer: &api.Devcontainer{Text: text, Path: ".devcontainer.json"}, Build: &workspace.Build{Context: digest}, Consent: agreed}
	if _, err := d.Create(t.Context(), api.Create{Name: "built", Stopped: true, CreateSource: built}, ""); err != nil {
		t.Fatal(err)
	}
	unused, _ := send("unused")
	long := time.Now().Add(-uploads.Life - time.Minute)
	for _, path := range []string{wanted, toBuild, unused} {
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	send("another")
	if _, err := os.Lstat(unused); !os.IsNotExist(err) {
		t.Errorf("what nobody has used: %v", err)
	}
	for _, path := range []string{wanted, toBuild} {
		if err := os.Chtimes(path, long, long); err != nil {
			t.Fatal(err)
		}
	}
	d.Stop()
	d.Run()
	send("one more")
	for _, path := range []string{wanted, toBuild} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("what a workspace waits for: %v", err)
		}
	}
}
