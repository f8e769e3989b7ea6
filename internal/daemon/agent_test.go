package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestTheSmallAgentIsTakenWhereItIsInstalled(t *testing.T) {
	for what, row := range map[string]struct {
		files []string // relative to the prefix; one that ends with - cannot be executed
		want  string
	}{
		"nothing but wsd":        {nil, "bin/wsd"},
		"beside it":              {[]string{"bin/wsd-agent"}, "bin/wsd-agent"},
		"in the libexec folder":  {[]string{"libexec/wsd/wsd-agent"}, "libexec/wsd/wsd-agent"},
		"in both":                {[]string{"bin/wsd-agent", "libexec/wsd/wsd-agent"}, "bin/wsd-agent"},
		"one that cannot be run": {[]string{"bin/wsd-agent-"}, "bin/wsd"},
		"a folder of that name":  {[]string{"bin/wsd-agent/x"}, "bin/wsd"},
	} {
		prefix := t.TempDir()
		for _, f := range append(row.files, "bin/wsd", "links/") {
			mode, path := os.FileMode(0o755), filepath.Join(prefix, f)
			if f == "links/" {
				path = filepath.Join(path, "readme")
			}
			if n := len(path) - 1; path[n] == '-' {
				mode, path = 0o644, path[:n]
			}
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(f), mode); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(prefix, "links", "wsd")
		if err := os.Symlink("../bin/wsd", link); err != nil {
			t.Fatal(err)
		}
		real, err := filepath.EvalSymlinks(prefix)
		if err != nil {
			t.Fatal(err)
		}
		for _, wsd := range []string{filepath.Join(prefix, "bin", "wsd"), link} {
			got, info, err := agentProgram(wsd)
			if err != nil || got != filepath.Join(real, row.want) || info.Size() == 0 {
				t.Errorf("%s: %s from %s, %v, want %s", what, got, wsd, err, row.want)
			}
		}
	}
}

func TestANewerAgentIsWhereTheOlderWas(t *testing.T) {
	dir := t.TempDir()
	first, err := installAgent(dir, "1")
	if err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := installAgent(dir, "2")
	if err != nil || second != first {
		t.Fatalf("the newer one is at %s, the older at %s, %v", second, first, err)
	}
	if is, err := os.Stat(second); err != nil || os.SameFile(was, is) {
		t.Errorf("the path leads to the older one still: %v", err)
	}
	if again, err := installAgent(dir, "2"); err != nil || again != second {
		t.Errorf("once more: %s %v", again, err)
	}
}

func TestAnAgentThatNeedsLibrariesIsRefused(t *testing.T) {
	if err := checkStatic("/bin/sh"); !fault.HasCode(err, "agent_dynamic") {
		t.Errorf("/bin/sh: %v", err)
	}
}
