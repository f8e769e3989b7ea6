package e2e_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/wstest"
)

func TestASecretIsAFileInsideAndNowhereElse(t *testing.T) {
	const value = "s3cr3t-value-of-the-test"
	h := newHouse(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	_, errs, status := h.Wsctl("create", "t", "--image", image, "--secret", "TOKEN")
	if status == 0 || !strings.Contains(errs, "wsctl secret set TOKEN") {
		t.Errorf("without it: status %d: %s", status, errs)
	}
	h.feed([]byte(value), "secret", "set", "TOKEN")
	h.ok("start", "t")
	if out := h.ok("exec", "t", "--", "sh", "-c", "cat /run/secrets/TOKEN; stat -f -c %T /run/secrets; ls -A /run/secrets"); out != value+"tmpfs\nTOKEN\n" {
		t.Errorf("inside: %q", out)
	}
	if out := h.ok("exec", "t", "--", "env"); strings.Contains(out, value) {
		t.Error("it is in the environment")
	}
	for _, args := range [][]string{{"show", "t", "--json"}, {"events", "--json"}, {"logs", "t"}, {"secret", "ls", "--json"}, {"daemon", "logs"}} {
		if out, errs, _ := h.Wsctl(args...); strings.Contains(out+errs, value) {
			t.Errorf("%v shows it", args)
		}
	}
	if out := h.docker.Run(append([]string{"inspect"}, h.docker.Objects("container", wstest.InstanceOf(h.Process), "workspace")...)...); strings.Contains(out, value) {
		t.Error("the engine knows it")
	}
	backup := filepath.Join(h.home, "backup.db")
	h.ok("admin", "backup", backup)
	for _, file := range []string{filepath.Join(h.StateDir, "wsd.db"), backup} {
		if b, err := os.ReadFile(file); err != nil || bytes.Contains(b, []byte(value)) {
			t.Errorf("%s holds it, or cannot be read: %v", file, err)
		}
	}
	h.feed([]byte("another"), "secret", "set", "TOKEN")
	h.ok("restart", "t")
	if out := h.ok("exec", "t", "--", "cat", "/run/secrets/TOKEN"); out != "another" {
		t.Errorf("after a change and a restart: %q", out)
	}
	h.ok("secret", "rm", "TOKEN")
	if _, errs, status := h.Wsctl("secret", "rm", "TOKEN"); status != 3 {
		t.Errorf("status %d: %s", status, errs)
	}
	if _, errs, status := h.Wsctl("secret", "set", "../x"); status != 2 {
		t.Errorf("status %d: %s", status, errs)
	}
}
