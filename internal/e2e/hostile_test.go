package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/wstest"
)

// answerTime bounds wsd's answers while a workspace does its worst; on a free machine they
// take milliseconds.
const answerTime = 5 * time.Second

// answers fails where wsd does not answer soon, or another workspace cannot be used.
func (h *house) answers(other string) {
	h.t.Helper()
	for _, args := range [][]string{{"list", "--json"}, {"exec", other, "--", "true"}} {
		begun := time.Now()
		h.ok(args...)
		if took := time.Since(begun); took > answerTime {
			h.t.Errorf("wsctl %s took %v", args[0], took)
		}
	}
}

// listing is every file below dir, with its mode and time of change.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			b.WriteString(path + " " + info.Mode().String() + " " + info.ModTime().String() + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// evil answers in place of the agent: with archives whose names and links lead out, and
// with nonsense.
const evil = `
const net = require("net"), fs = require("fs");
function entry(name, type, link, body) {
  const h = Buffer.alloc(512);
  h.write(name, 0); h.write("0000644\0", 100); h.write("0000000\0", 108); h.write("0000000\0", 116);
  h.write(body.length.toString(8).padStart(11, "0") + "\0", 124); h.write("00000000000\0", 136);
  h.write("        ", 148); h.write(type, 156); h.write(link, 157); h.write("ustar\x0000", 257);
  h.write([...h].reduce((a, b) => a + b).toString(8).padStart(6, "0") + "\0 ", 148);
  const b = Buffer.alloc(Math.ceil(body.length / 512) * 512); b.write(body);
  return Buffer.concat([h, b]);
}
const tars = {
  up: [entry("../evil", "0", "", "evil")],
  absolute: [entry("/OUT/evil", "0", "", "evil")],
  link: [entry("link", "2", "/OUT", ""), entry("link/evil", "0", "", "evil")],
  inner: [entry("inner", "5", "", ""), entry("inner/l", "2", "/OUT", ""), entry("inner/l/evil", "0", "", "evil")],
  hard: [entry("hard", "1", "../canary", "")],
  device: [entry("device", "3", "", "")],
  another: [entry("bystander", "0", "", "evil")],
  more: [entry("more", "0", "", ""), entry("bystander", "0", "", "evil")],
  beside: [entry("beside", "2", ".", ""), entry("beside/bystander", "0", "", "evil")],
};
const head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: ";
function serve(c) {
  c.on("error", () => {});
  c.once("data", (d) => {
    const line = d.toString().split("\r\n")[0];
    const which = /path=([a-z]+)/.exec(line);
    if (which && tars[which[1]]) {
      const tar = Buffer.concat([...tars[which[1]], Buffer.alloc(1024)]);
      c.end(Buffer.concat([Buffer.from(head + "application/x-tar\r\n\r\n"), tar]));
    } else if (line.includes("/v1/hello")) {
      c.end(head + "application/json\r\n\r\n{\"version\":1,\"build\":\"\\u001b[2J\"}");
    } else {
      c.write(head + "application/json\r\n\r\n");
      const flood = () => { while (c.writable && c.write("\x1b]0;x\x07{".repeat(5000))); };
      c.on("drain", flood); flood();
    }
  });
}
fs.unlinkSync("/run/wsd/agent.sock");
net.createServer(serve).listen("/run/wsd/agent.sock", () => { fs.chmodSync("/run/wsd/agent.sock", 0o666); console.log("there"); });
`

// Whoever is inside may take the agent's place: nothing outside believes what it says.
func TestAnAgentThatLiesHarmsNothingOutside(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	h.create("other", "--template", "shell")
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	for _, err := range []error{os.Mkdir(in, 0o755), os.WriteFile(filepath.Join(dir, "canary"), []byte("unharmed"), 0o600), os.WriteFile(filepath.Join(in, "bystander"), []byte("unharmed"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.feed([]byte(strings.ReplaceAll(evil, "OUT", strings.TrimPrefix(dir, "/"))), "cp", "-", "t:/tmp/evil.js")
	h.ok("exec", "t", "--", "sh", "-ec", `nohup node /tmp/evil.js >/tmp/evil.log 2>&1 &
for i in $(seq 200); do grep -q there /tmp/evil.log && exit; sleep 0.05; done; cat /tmp/evil.log; exit 1`)
	before := listing(t, dir)
	for _, which := range []string{"up", "absolute", "link", "inner", "hard", "device", "another", "more", "beside"} {
		out, errs, status := h.Wsctl("cp", "t:"+which, in)
		if status == 0 || !strings.Contains(errs, "not safe") && !strings.Contains(errs, "escapes") || strings.ContainsRune(out+errs, 0x1b) {
			t.Errorf("%s: status %d, %q %q", which, status, out, errs)
		}
		_ = os.RemoveAll(filepath.Join(in, which)) // what was asked for may be there, in part
	}
	if after := listing(t, dir); after != before {
		t.Errorf("it was\n%sand is\n%s", before, after)
	}
	for _, args := range [][]string{{"ports", "t"}, {"terminals", "ls", "t"}, {"exec", "t", "--", "true"}, {"show", "t"}} {
		out, errs, _ := h.Wsctl(args...)
		if strings.ContainsRune(out+errs, 0x1b) {
			t.Errorf("wsctl %s passes on what steers a terminal: %q %q", args[0], out, errs)
		}
	}
	h.answers("other")
	h.ok("restart", "t")
	if out := h.ok("exec", "t", "--", "echo", "back"); out != "back\n" {
		t.Errorf("after a restart: %q", out)
	}
}

// Names of processes and files are chosen inside.
func TestNamesFromInsideDoNotSteerATerminal(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	h.ok("exec", "t", "--", "sh", "-ec", `nohup node -e 'process.title="\x1b[31mevil\x07";require("net").createServer().listen(4000,()=>console.log("there"))' >/tmp/log 2>&1 &
for i in $(seq 200); do grep -q there /tmp/log && exit; sleep 0.05; done; exit 1`)
	out := h.ok("ports", "t")
	if !strings.Contains(out, "evil") || strings.ContainsAny(out, "\x1b\x07") {
		t.Errorf("ports shows %q", out)
	}
	h.ok("exec", "t", "--", "sh", "-ec", `mkdir d; touch "d/-rf" "d/$(printf 'a\033[2J\nb')"; ln -s / d/root; ln -s ../../../../etc/passwd d/passwd`)
	dir := t.TempDir()
	out, errs, status := h.Wsctl("cp", "t:d", dir)
	if status != 0 || strings.ContainsRune(out+errs, 0x1b) {
		t.Errorf("status %d, %q %q", status, out, errs)
	}
	if to, err := os.Readlink(filepath.Join(dir, "d", "root")); err != nil || to != "/" {
		t.Errorf("a link is copied as a link: %q, %v", to, err)
	}
	if _, errs, status := h.Wsctl("cp", "t:none\x1b[2J", dir); status == 0 || strings.ContainsRune(errs, 0x1b) {
		t.Errorf("status %d, %q", status, errs)
	}
}

// A file of ten gigabytes that holds nothing is copied out and in, and takes no room.
func TestALongSparseFileFillsNothing(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t")
	h.create("other", "--template", "shell")
	h.ok("exec", "t", "--", "truncate", "-s", "10G", "big")
	file := filepath.Join(t.TempDir(), "big")
	cmd := h.Command("wsctl", "cp", "t:big", file)
	var said bytes.Buffer
	cmd.Stderr = &said
	done := make(chan error, 1)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- cmd.Wait() }()
	h.answers("other")
	select {
	case err := <-done:
		var st syscall.Stat_t
		if serr := syscall.Stat(file, &st); err != nil || serr != nil || st.Size != 10<<30 || st.Blocks > 1<<11 {
			t.Errorf("%d bytes in %d blocks, %v %v: %s", st.Size, st.Blocks, err, serr, said.String())
		}
	case <-time.After(3 * patience):
		_ = cmd.Process.Kill()
		t.Fatal("it is not copied in time")
	}
}

func TestAForkBombIsItsOwnersProblem(t *testing.T) {
	h := newHouse(t)
	h.ordinary("t", "--pids", "128")
	h.create("other", "--template", "shell")
	bomb := h.Command("wsctl", "exec", "t", "--", "bash", "-c", `b() { b | b & b; }; b; sleep 300`)
	if err := bomb.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = bomb.Process.Kill(); _ = bomb.Wait() }()
	most := 0
	wstest.Until(t, patience, "the workspace is full of processes", func(context.Context) bool {
		most = max(most, h.processes("t"))
		return most > 100
	})
	h.answers("other")
	if most = max(most, h.processes("t")); most > 128 {
		t.Errorf("%d processes", most)
	}
	begun := time.Now()
	h.ok("stop", "t")
	if took := time.Since(begun); took > 4*answerTime {
		t.Errorf("stop took %v", took)
	}
	h.ok("start", "t")
	if out := h.ok("exec", "t", "--", "echo", "back"); out != "back\n" {
		t.Errorf("after a restart: %q", out)
	}
}

// processes are those of a workspace, as its cgroup counts them.
func (h *house) processes(name string) int {
	h.t.Helper()
	var list struct {
		Samples []struct{ Pids int }
	}
	out := h.ok("stats", name, "--json")
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Samples) != 1 {
		h.t.Fatalf("stats printed %q: %v", out, err)
	}
	return list.Samples[0].Pids
}

// The engine keeps ten megabytes of each workspace's output.
func TestAFloodOfOutputIsBounded(t *testing.T) {
	h := newHouse(t)
	w := h.ordinary("t", "--", "sh", "-c", `exec yes "$(printf '\033[2J flood %0200d' 7)"`)
	h.create("other", "--template", "shell")
	id := h.docker.Run("ps", "--no-trunc", "-q", "--filter", "label=wsd.workspace="+w.ID, "--filter", "label=wsd.role=workspace")
	root := filepath.Join(h.docker.Run("info", "--format", "{{.DockerRootDir}}"), "containers", id)
	kept := func() (n int64) {
		files, _ := filepath.Glob(filepath.Join(root, "*-json.log*"))
		for _, f := range files {
			if info, err := os.Stat(f); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	wstest.Until(t, patience, "the log is full", func(context.Context) bool { return kept() > 6<<20 })
	h.answers("other")
	begun := time.Now()
	lines := strings.Split(strings.TrimSpace(h.ok("logs", "t", "--tail", "10")), "\n")
	if took := time.Since(begun); took > answerTime || len(lines) != 10 {
		t.Errorf("%d lines after %v", len(lines), took)
	}
	if n := kept(); n > 12<<20 {
		t.Errorf("%d bytes are kept", n)
	}
	h.ok("stop", "t")
}

// What is refused is refused before anything is made.
func TestAFolderOfTheSystemLeavesNoWorkspaceBehind(t *testing.T) {
	h := newHouse(t)
	for _, dir := range []string{"/etc", "/", h.StateDir} {
		_, errs, status := h.Wsctl("create", "bad", "--template", "shell", "--from", dir)
		if status != 6 || !strings.Contains(errs, "mount_refused") {
			t.Errorf("%s: status %d: %s", dir, status, errs)
		}
	}
	if out := h.ok("list", "--json"); strings.Contains(out, `"bad"`) {
		t.Errorf("something was made: %s", out)
	}
}
