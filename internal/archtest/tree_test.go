package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const root = "../.."

func TestTheTreeKeepsItsRules(t *testing.T) {
	files, err := Tree(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d Go files are found: the tree is somewhere else", len(files))
	}
	for _, v := range Apply(files, Rules(), Exceptions) {
		t.Error(v)
	}
}

func TestNoFileHoldsForbiddenWords(t *testing.T) {
	found, err := ForbiddenWords(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range found {
		t.Error(v)
	}
}

// notInClient must never be linked into wsctl: it starts in milliseconds because
// it holds so little.
var notInClient = []string{
	"github.com/docker/docker", "github.com/moby", "go.etcd.io/bbolt", "github.com/danielgtaylor/huma", "mvdan.cc/sh",
	Module + "/internal/engine", Module + "/internal/store", Module + "/internal/server", Module + "/internal/daemon", Module + "/internal/agent",
}

func TestTheClientLinksNothingOfTheDaemon(t *testing.T) {
	for _, p := range dependencies(t, "./cmd/wsctl") {
		if bad, ok := heavy(p); ok {
			t.Errorf("wsctl links %s, which is of %s", p, bad)
		}
	}
}

func heavy(importPath string) (string, bool) {
	for _, bad := range notInClient {
		if within(importPath, bad) {
			return bad, true
		}
	}
	return "", false
}

func TestTheListOfWhatTheClientMustNotLinkIsSeenInTheDaemon(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range dependencies(t, "./cmd/wsd") {
		if bad, ok := heavy(p); ok {
			seen[bad] = true
		}
	}
	for _, bad := range notInClient {
		if !seen[bad] {
			t.Errorf("wsd does not link %s either: the row shows nothing", bad)
		}
	}
}

// dependencies returns everything that pkg links.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath", pkg)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		var ee *exec.ExitError
		if errors.As(err, &ee) {
			t.Fatalf("go list: %v\n%s", err, ee.Stderr)
		}
		t.Fatal(err)
	}
	var paths []string
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p struct{ ImportPath string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return paths
		} else if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p.ImportPath)
	}
}
