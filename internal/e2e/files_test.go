package e2e_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// feed runs wsctl with standard input, wants status 0 and returns its standard output.
func (h *house) feed(stdin []byte, args ...string) string {
	h.t.Helper()
	return h.run(stdin, h.Command("wsctl").Path, args...)
}

func TestFilesAreCopiedBothWays(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	dir := t.TempDir()
	sent := make([]byte, 8<<20)
	_, _ = rand.Read(sent)
	odd := "a b\n\x1b[31m"
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "d", "empty"), 0o750), os.WriteFile(filepath.Join(dir, "d", "big"), sent, 0o600),
		os.WriteFile(filepath.Join(dir, "d", "run"), []byte("#!/bin/sh\necho ran\n"), 0o755),
		os.WriteFile(filepath.Join(dir, "d", odd), []byte("odd"), 0o644), os.Symlink("run", filepath.Join(dir, "d", "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.ok("cp", filepath.Join(dir, "d"), "t:")         // into a folder that is there
	h.ok("cp", filepath.Join(dir, "d"), "t:/tmp/new") // under a new name
	if out := h.ok("exec", "t", "--", "sh", "-c", "/workspace/d/link && /tmp/new/run && stat -c %a /tmp/new/big d/empty"); out != "ran\nran\n600\n750\n" {
		t.Errorf("inside: %q", out)
	}
	h.ok("cp", "t:d", filepath.Join(dir, "back"))
	same(t, filepath.Join(dir, "back", "big"), sent)
	same(t, filepath.Join(dir, "back", odd), []byte("odd"))
	if to, err := os.Readlink(filepath.Join(dir, "back", "link")); err != nil || to != "run" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	h.feed(sent, "cp", "-", "t:by-stdin")
	if got := h.feed(nil, "cp", "t:by-stdin", "-"); got != string(sent) {
		t.Errorf("of %d bytes %d came back", len(sent), len(got))
	}
	h.ok("exec", "t", "--", "sh", "-c", "echo secret >d/closed; chmod 0 d/closed")
	if _, errs, status := h.Wsctl("cp", "t:d", filepath.Join(dir, "part")); status != 6 || !strings.Contains(errs, "/workspace/d/closed: permission denied") {
		t.Errorf("a file that cannot be read: status %d: %s", status, errs)
	}
	if _, err := os.Lstat(filepath.Join(dir, "part")); err == nil {
		t.Error("a part was taken for the whole")
	}
	for _, wrong := range [][]string{
		{"t:none", dir}, {filepath.Join(dir, "none"), "t:"}, {"t:d", "-"}, {"-", "t:"}, {"t:d", filepath.Join(dir, "no", "where")}, {"t:d", "t:e"}, {"a", "b"},
	} {
		if out, errs, status := h.Wsctl(append([]string{"cp"}, wrong...)...); status == 0 || errs == "" || out != "" {
			t.Errorf("cp %v: status %d, %q, %q", wrong, status, out, errs)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".wsctl-*")); len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// A workspace may send whatever it likes: nothing but the named place is written.
func TestALinkInsideDoesNotLeadACopyOutside(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	dir := t.TempDir()
	outside, in := filepath.Join(dir, "outside"), filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	h.ok("exec", "t", "--", "sh", "-ec", "mkdir first second; ln -s "+outside+" first/x; mkdir second/x; echo evil >second/x/f; mv first 1; mv second 2")
	h.ok("cp", "t:1", filepath.Join(in, "same"))
	h.ok("exec", "t", "--", "sh", "-ec", "mv 1 1old; mv 2 same")
	_, errs, status := h.Wsctl("cp", "t:same", in) // same/x is a link by now
	if _, err := os.Stat(outside); err == nil || status == 0 || errs == "" {
		t.Errorf("status %d, %q; outside: %v", status, errs, err)
	}
}

const listen = `node -e 'require("net").createServer(c=>c.pipe(c)).listen(%PORT%,"127.0.0.1")' >/dev/null 2>&1 &`

func TestAPortInsideIsForwardedAndWatched(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	watch := h.Command("wsctl", "ports", "t", "--watch", "--json")
	out, err := watch.StdoutPipe()
	if err != nil || watch.Start() != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Process.Kill(); _ = watch.Wait() }()
	h.ok("exec", "t", "--", "sh", "-c", strings.ReplaceAll(listen, "%PORT%", "4000"))
	lines := bufio.NewReader(out)
	change := nextChange(t, lines)
	if change.Change != "opened" || change.Port != 4000 || change.Process != "node" || change.Address != "127.0.0.1" {
		t.Errorf("got %+v", change)
	}
	forward := h.Command("wsctl", "forward", "t", "0:4000", "--json")
	told, err := forward.StdoutPipe()
	if err != nil || forward.Start() != nil {
		t.Fatal(err)
	}
	defer func() { _ = forward.Process.Kill(); _ = forward.Wait() }()
	var where struct{ Address string }
	if err := json.NewDecoder(told).Decode(&where); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", where.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	sent := strings.Repeat("through and back\n", 50_000)
	go func() { _, _ = io.WriteString(c, sent); _ = c.(*net.TCPConn).CloseWrite() }()
	if got, err := io.ReadAll(c); err != nil || string(got) != sent {
		t.Errorf("of %d bytes %d came back, %v", len(sent), len(got), err)
	}
	h.ok("exec", "t", "--", "pkill", "node")
	if change := nextChange(t, lines); change.Change != "closed" || change.Port != 4000 {
		t.Errorf("got %+v", change)
	}
	if _, errs, status := h.Wsctl("forward", "t", "1-3:5-6"); status != 2 || !strings.Contains(errs, "as many ports") {
		t.Errorf("status %d: %s", status, errs)
	}
}

type change struct {
	Change, Process, Address string
	Port                     int
}

func nextChange(t *testing.T, r *bufio.Reader) (c change) {
	t.Helper()
	line := make(chan []byte, 1)
	go func() { b, _ := r.ReadBytes('\n'); line <- b }()
	select {
	case b := <-line:
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatalf("%q: %v", b, err)
		}
	case <-time.After(patience):
		t.Fatal("no port comes or goes")
	}
	return c
}

func TestOpenTellsWhereAWorkspaceIs(t *testing.T) {
	h, door := doored(t)
	h.create("page", "--template", "static")
	_, port, _ := net.SplitHostPort(door)
	browser := filepath.Join(t.TempDir(), "browser")
	seen := browser + ".seen"
	if err := os.WriteFile(browser, []byte("#!/bin/sh\necho \"$1\" >"+seen+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := h.Command("wsctl", "open", "page")
	cmd.Env = append(cmd.Env, "BROWSER="+browser)
	if out, err := cmd.Output(); err != nil || string(out) != "http://page.localhost:"+port+"/\n" {
		t.Errorf("%q %v", out, err)
	}
	if b, err := os.ReadFile(seen); err != nil || string(b) != "http://page.localhost:"+port+"/\n" {
		t.Errorf("the browser was given %q, %v", b, err)
	}
	if out := h.ok("open", "page", "3000", "--print"); out != "http://3000.page.localhost:"+port+"/\n" {
		t.Errorf("%q", out)
	}
}
