package e2e_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// command waits until the form shows a command that ends so, put together from its lines.
func (d dash) command(end string) (line string) {
	d.h.t.Helper()
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		_, after, _ := strings.Cut(d.do("capture-pane", "-p", "-t", "x"), "\n › ")
		after, _, _ = strings.Cut(after, "\n\n")
		if line = strings.Join(strings.Fields(after), " "); strings.HasSuffix(line, end) {
			return line
		}
	}
	d.h.t.Fatalf("the form shows the command %q, which does not end with %s", line, end)
	return line
}

// TestTheDashboardCreatesFromAFolderAndARepository fills in the form as a person does, and
// runs the commands that it shows, dry.
func TestTheDashboardCreatesFromAFolderAndARepository(t *testing.T) {
	h := newHouse(t)
	dir := project(t, map[string]string{"a": "from here\n", "only/b": "in it\n"})
	url := serveRepository(t, h.docker)
	image, err := debian()
	if err != nil {
		t.Fatalf("cannot make the test image: %v", err)
	}
	same := func(line, want string) {
		t.Helper()
		if out := h.run(nil, "sh", "-c", line+" --dry-run --json"); !strings.Contains(out, want) {
			t.Errorf("%s makes\n%s\nwithout %s", line, out, want)
		}
	}
	d := dash{h.terminal()}
	d.types("wsctl dash")
	d.sees("No workspaces yet").keys("n").sees("Static site").keys("shared", "Down", "Down", "sh").sees("‹ shell ›")
	d.keys("Down", "f").sees("‹ folder ›").keys("Down", "C-u", filepath.Join(dir, "none")).sees("no such")
	d.keys("C-u", dir+"/on", "Tab").command("--from " + dir + "/only") // it alone begins so
	d.keys("C-u", dir)
	same(d.command("wsctl create shared --template shell --from "+dir), dir)
	d.keys("C-t").sees("this would be shared from template shell")
	d.keys("Enter").sees("shared is running")
	if out := h.ok("exec", "shared", "--", "cat", "a"); out != "from here\n" {
		t.Errorf("the folder holds %q", out)
	}

	d.keys("n").sees("Static site").keys("cloned", "Down", "i").sees("‹ image ›").keys("Down", image, "Down", "Down", "Down", "g").sees("‹ git repository ›")
	d.keys("Down", "ext::sh").sees("not the address of a repository").keys("C-u", url, "Down", "feature")
	same(d.command("wsctl create cloned --image "+image+" --git "+url+" --branch feature"), url)
	d.keys("Enter").sees("cloned is running")
	if out := h.ok("exec", "cloned", "--", "cat", "two"); out != "two\n" {
		t.Errorf("the branch holds %q", out)
	}
}
