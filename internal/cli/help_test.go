package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/fault"
)

func wholeTree() *cobra.Command {
	return newRootCmd(newFactory(Streams{Out: io.Discard, Err: io.Discard}), nil)
}

// TestHelp compares the help of every command with its golden file and with what the
// command says when it is the only one that is built.
func TestHelp(t *testing.T) {
	dir := filepath.Join("testdata", "help")
	seen := map[string]bool{}
	for _, cmd := range commandTree(wholeTree()) {
		path := strings.Fields(cmd.CommandPath())
		name := strings.Join(path, "_") + ".txt"
		seen[name] = true
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			status, got, errOut := run(t, nil, append(path[1:], "--help")...)
			if status != 0 || errOut != "" {
				t.Fatalf("status %d, stderr %q", status, errOut)
			}
			golden(t, filepath.Join(dir, name), got)
		})
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !seen[filepath.Base(f)] {
			t.Errorf("%s is the help of no command", f)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // not secret
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see with -update:\n%s", path, got)
	}
}

// TestEveryCommandIsDocumented holds the habits that make the help good.
func TestEveryCommandIsDocumented(t *testing.T) {
	for _, cmd := range commandTree(wholeTree()) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			switch {
			case cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 60:
				t.Errorf("the summary %q is missing, a sentence, or too long", cmd.Short)
			case cmd.Long == "" || cmd.Long == cmd.Short:
				t.Error("nothing says what it does")
			case !strings.Contains(cmd.Example, cmd.CommandPath()) && !strings.Contains(cmd.Example, "wsctl rm"):
				t.Errorf("no example uses %q", cmd.CommandPath())
			}
			for _, line := range strings.Split(cmd.Long, "\n") {
				if len(line) > 88 {
					t.Errorf("the line is too long for a terminal: %s", line)
				}
			}
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				if f.Usage == "" {
					t.Errorf("--%s has no explanation", f.Name)
				}
			})
		})
	}
}

// TestExitTableIsTheWholeTruth holds the printed table against fault's.
func TestExitTableIsTheWholeTruth(t *testing.T) {
	printed := map[int]bool{}
	for _, r := range exitRows {
		printed[r.status] = true
	}
	used := map[int]bool{0: true}
	for _, k := range fault.Kinds() {
		used[fault.ClassOf(k).Exit] = true
	}
	for s := range used {
		if !printed[s] {
			t.Errorf("exit status %d is not explained", s)
		}
	}
	for s := range printed {
		if !used[s] {
			t.Errorf("exit status %d is explained, but never used", s)
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	top := filepath.Join("..", "..")
	for dir, write := range map[string]func(string) error{
		"docs/cli": WriteDocs, "docs/cli/man": WriteMan, "completions": WriteCompletions,
	} {
		fresh := t.TempDir()
		if err := write(fresh); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(fresh)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, f := range files {
			want, _ := os.ReadFile(filepath.Join(fresh, f.Name()))
			got, err := os.ReadFile(filepath.Join(top, dir, f.Name()))
			if err != nil || string(got) != string(want) {
				t.Errorf("%s/%s is out of date; run: go generate ./internal/cli", dir, f.Name())
			}
		}
	}
}

// man(1) does not break lines that are set as they are. Commands among the prose stay whole.
func TestManualPagesFitATerminal(t *testing.T) {
	root := newRootCmd(newFactory(Streams{Out: discard{}, Err: discard{}}), nil)
	for _, c := range commandTree(root) {
		page, _, _ := strings.Cut(strings.ReplaceAll(manPage(c, c.Name()), `\-`, "-"), ".SH EXAMPLES")
		_, page, _ = strings.Cut(page, ".SH DESCRIPTION")
		prose, options, _ := strings.Cut(page, ".SH OPTIONS")
		for line := range strings.SplitSeq(prose, "\n") {
			if len(line) > manWidth && !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: %s", c.CommandPath(), line)
			}
		}
		for line := range strings.SplitSeq(options, "\n") {
			if len(line) > manWidth {
				t.Errorf("%s: %s", c.CommandPath(), line)
			}
		}
	}
}
