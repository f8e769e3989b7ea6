package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The present folder may be one that a workspace shares, its .git too.
func TestARepositoryNamesNoHelperForCredentials(t *testing.T) {
	dir := t.TempDir()
	home, ran := filepath.Join(dir, "home"), filepath.Join(dir, "ran")
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", home)
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL"} { // as in a hook of git
		t.Setenv(name, "")
		_ = os.Unsetenv(name)
	}
	git := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	git("config", "--global", "credential.helper", "!printf 'username=ann\\npassword=stored\\n';:")
	repository := filepath.Join(dir, "repository")
	git("init", "--quiet", repository)
	git("-C", repository, "config", "credential.helper", "!touch "+ran+";:")
	t.Chdir(repository)
	c := gitCredential(t.Context(), "https://git.example/ann/app.git")
	if c == nil || c.Username != "ann" || c.Password != "stored" {
		t.Errorf("got %+v, want what the person has stored", c)
	}
	git("config", "--global", "--unset", "credential.helper") // now it is the repository's turn
	if c := gitCredential(t.Context(), "https://git.example/ann/app.git"); c != nil {
		t.Errorf("got %+v", c)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("what the repository names was run")
	}
}
