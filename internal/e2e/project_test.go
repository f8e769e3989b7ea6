package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// project makes a folder with files, which belongs to a user who is not root.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "-R", "4242:4343", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

func TestAFolderIsSharedAsItsOwner(t *testing.T) {
	h := newHouse(t)
	dir := project(t, map[string]string{"a": "from here\n"})
	h.ordinary("t", "--from", dir)
	if out := h.ok("exec", "t", "--", "sh", "-c", "cat a; echo from inside >b; id -u; id -g"); out != "from here\n4242\n4343\n" {
		t.Errorf("inside: %q", out)
	}
	info, err := os.Stat(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != 4242 || st.Gid != 4343 {
		t.Errorf("what is made inside belongs to %+v", info.Sys())
	}
	h.ok("delete", "t", "--force")
	same(t, filepath.Join(dir, "a"), []byte("from here\n")) // deleting leaves the folder alone
	for _, place := range []string{"/etc", "/", "/proc/self", filepath.Join(dir, "none"), filepath.Join(dir, "a"), h.StateDir} {
		if out, errs, status := h.Wsctl("create", "bad", "--template", "shell", "--from", place); status == 0 || errs == "" {
			t.Errorf("%s is shared: %s", place, out)
		}
		_, _, _ = h.Wsctl("delete", "bad", "--force")
	}
}

func TestAFolderIsCopied(t *testing.T) {
	h := newHouse(t)
	dir := project(t, map[string]string{"a": "from here\n", "sub/run": "#!/bin/sh\necho ran\n", ".hidden": "x"})
	h.ordinary("t", "--from", dir, "--copy")
	if out := h.ok("exec", "t", "--", "sh", "-c", "cat a; sub/run; ls -A; echo more >>a"); out != "from here\nran\n.hidden\na\nsub\n" {
		t.Errorf("inside: %q", out)
	}
	same(t, filepath.Join(dir, "a"), []byte("from here\n"))
	h.ok("restart", "t")
	if out := h.ok("exec", "t", "--", "tail", "-n1", "a"); out != "more\n" {
		t.Errorf("a restart copied again: %q", out)
	}
}

func TestAWorktreeIsMadeAndShared(t *testing.T) {
	h := newHouse(t)
	dir := filepath.Join(project(t, nil), "repo")
	sh := exec.Command("sh", "-ec", "mkdir repo; cd repo; git init -q -b main .; echo one >f; git add .; git -c user.name=a -c user.email=a@b commit -qm one")
	sh.Dir = filepath.Dir(dir)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds it
		cmd := h.Command("wsctl", "create", "t", "--image", image, "--worktree", "feature/x")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if out := h.ok("exec", "t", "--", "cat", "f"); out != "one\n" {
			t.Errorf("inside: %q", out)
		}
		h.ok("delete", "t", "--force")
	}
	if out, err := exec.Command("git", "-C", dir+"-feature-x", "branch", "--show-current").Output(); err != nil || string(out) != "feature/x\n" {
		t.Errorf("the worktree is on %q, %v", out, err)
	}
}

// devcontainer is a project whose file has these members beside its image.
func devcontainer(t *testing.T, members string) string {
	t.Helper()
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	return project(t, map[string]string{".devcontainer/devcontainer.json": fmt.Sprintf("{ // with a comment\n \"image\": %q, %s }\n", image, members)})
}

func TestAProjectsHooksRunInOrderOnceSomebodyAgrees(t *testing.T) {
	h := newHouse(t)
	dir := devcontainer(t, `"containerEnv": {"IN": "container"}, "remoteEnv": {"OUT": "${containerEnv:IN}!", "LOCAL": "${localEnv:WHO}", "PATH": "${containerEnv:PATH}:/more"},
 "postStartCommand": "echo start >>log", "postCreateCommand": {"a": "cat /dev/null && echo $OUT $LOCAL ${PATH##*:} >>log", "b": ["sh", "-c", "echo x >b"]},
 "onCreateCommand": ["sh", "-c", "echo on create >log; echo to the log"], "waitFor": "postStartCommand"`)
	create := func(args ...string) (string, string, int) {
		cmd := h.Command("wsctl", append([]string{"create", "t", "--from", dir, "--devcontainer"}, args...)...)
		cmd.Env = append(cmd.Env, "WHO=me")
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		return out.String(), errs.String(), cmd.ProcessState.ExitCode()
	}
	if _, errs, status := create(); status != 4 || !strings.Contains(errs, "consent_required") && !strings.Contains(errs, "agree") {
		t.Fatalf("without consent: status %d: %s", status, errs)
	}
	if out := h.ok("list", "--json"); strings.Contains(out, `"t"`) {
		t.Fatalf("something was made: %s", out)
	}
	if out, errs, status := create("--yes"); status != 0 {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	same(t, filepath.Join(dir, "log"), []byte("on create\ncontainer! me /more\nstart\n"))
	same(t, filepath.Join(dir, "b"), []byte("x\n"))
	if out := h.ok("logs", "t"); !strings.Contains(out, "to the log") {
		t.Errorf("the log has no output of hooks: %q", out)
	}
	h.ok("restart", "t")
	same(t, filepath.Join(dir, "log"), []byte("on create\ncontainer! me /more\nstart\nstart\n"))
}

func TestAHookThatFailsLeavesTheWorkspaceOpenToLook(t *testing.T) {
	h := newHouse(t)
	dir := devcontainer(t, `"onCreateCommand": "test -e fixed || { echo it is broken; exit 7; }", "postCreateCommand": "echo second >second"`)
	_, errs, status := h.Wsctl("create", "t", "--from", dir, "--devcontainer", "--yes")
	if status != 4 || !strings.Contains(errs, "ended with status 7: it is broken") || !strings.Contains(errs, "wsctl shell t") {
		t.Fatalf("status %d: %s", status, errs)
	}
	if _, err := os.Stat(filepath.Join(dir, "second")); err == nil {
		t.Error("the hook after it has run")
	}
	h.ok("exec", "t", "--", "touch", "fixed")
	h.ok("restart", "t")
	h.ok("wait", "t", "--for", "ready")
	if out := h.ok("show", "t", "--json"); strings.Contains(out, "HookFailed") {
		t.Errorf("it still says so: %s", out)
	}
}

func TestAnImageIsBuiltFromTheProject(t *testing.T) {
	h := newHouse(t)
	image, err := debian()
	if err != nil {
		t.Fatal(err)
	}
	dir := project(t, map[string]string{
		".devcontainer/devcontainer.json": `{"build": {"dockerfile": "Dockerfile", "args": {"WHO": "me"}}}`,
		".devcontainer/Dockerfile":        "FROM " + image + "\nARG WHO\nRUN echo built for $WHO >/built\n",
	})
	h.ok("create", "t", "--from", dir, "--devcontainer", "--yes")
	if out := h.ok("exec", "t", "--", "cat", "/built"); out != "built for me\n" {
		t.Errorf("inside: %q", out)
	}
}
