package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

//go:generate go run ./gen -root ../..

// WriteDocs writes the reference of every command as Markdown into dir, one file a
// command and README.md as the index.
func WriteDocs(dir string) error {
	var index bytes.Buffer
	index.WriteString("# Commands of wsctl\n\nEvery command takes `--json` (see [json.md](json.md)), `--socket` and `--config`, and ends with one of\n" +
		"these statuses. This reference is generated from the commands.\n\n" + exitTable() + "\n")
	root := newRootCmd(newFactory(Streams{Out: io.Discard, Err: io.Discard}), nil)
	for _, c := range inOrder(root) {
		if !c.IsAvailableCommand() {
			continue
		}
		fmt.Fprintf(&index, "- [%s](%s): %s\n", c.CommandPath(), docName(c), c.Short)
		for _, sub := range c.Commands() {
			fmt.Fprintf(&index, "  - [%s](%s): %s\n", sub.CommandPath(), docName(sub), sub.Short)
		}
	}
	return writeFiles(dir, func(c *cobra.Command) (string, []byte) {
		if !c.HasParent() {
			return "README.md", index.Bytes()
		}
		return docName(c), []byte(markdown(c))
	})
}

func docName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "_") + ".md" }

func exitTable() string {
	var b strings.Builder
	b.WriteString("| Exit status | Means |\n|---|---|\n")
	for _, r := range exitRows {
		fmt.Fprintf(&b, "| %d | %s |\n", r.status, r.means)
	}
	return b.String()
}

func markdown(c *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n```\n%s\n```\n\n", c.CommandPath(), c.Short, c.UseLine())
	fmt.Fprintf(&b, "%s\n", prose(c.Long))
	if len(c.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso: %s.\n", strings.Join(c.Aliases, ", "))
	}
	for _, sub := range c.Commands() {
		fmt.Fprintf(&b, "\n- [%s](%s): %s", sub.CommandPath(), docName(sub), sub.Short)
	}
	if c.HasSubCommands() {
		b.WriteString("\n")
	}
	block := func(title, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n```\n", title, text)
		}
	}
	block("Flags", c.LocalNonPersistentFlags().FlagUsages())
	block("Examples", outdent(c.Example))
	if note := c.Annotations[exitNote]; note != "" {
		fmt.Fprintf(&b, "\n## Exit status\n\n%s Else as in the [table](README.md).\n", note)
	}
	return b.String()
}

// prose keeps indented lines of a text as code.
func prose(long string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(strings.TrimSpace(long)) {
		if indented := strings.HasPrefix(line, "  "); indented != code && strings.TrimSpace(line) != "" {
			code = indented
			b.WriteString("```\n")
		}
		b.WriteString(strings.TrimPrefix(line, "  "))
	}
	if code {
		b.WriteString("\n```")
	}
	return strings.ReplaceAll(b.String(), "\n```\n```\n", "\n```\n")
}

func outdent(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}

// WriteMan writes a manual page of every command into dir (man(7), section 1).
func WriteMan(dir string) error {
	return writeFiles(dir, func(c *cobra.Command) (string, []byte) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		return name + ".1", []byte(manPage(c, name))
	})
}

// manWidth is what man(1) has left for text on a terminal of 80 columns.
const manWidth = 70

func manPage(c *cobra.Command, name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" wsctl \"Commands of wsctl\"\n", strings.ToUpper(roff(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR\n.SH DESCRIPTION\n", roff(c.UseLine()))
	fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(reflow(strings.TrimSpace(c.Long), manWidth)))
	block := func(title, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			fmt.Fprintf(&b, ".SH %s\n.nf\n%s\n.fi\n", title, roff(text))
		}
	}
	block("OPTIONS", fold(c.LocalNonPersistentFlags().FlagUsages(), manWidth))
	block("GLOBAL OPTIONS", fold(c.Root().PersistentFlags().FlagUsages(), manWidth))
	block("EXAMPLES", c.Example)
	block("EXIT STATUS", fold(exitText(c), manWidth))
	var also []string
	for _, sub := range inOrder(c) {
		if sub.IsAvailableCommand() {
			also = append(also, strings.ReplaceAll(sub.CommandPath(), " ", "-")+"(1)")
		}
	}
	if c.HasParent() {
		also = append(also, strings.ReplaceAll(c.Parent().CommandPath(), " ", "-")+"(1)")
	}
	if len(also) > 0 {
		fmt.Fprintf(&b, ".SH SEE ALSO\n%s\n", roff(strings.Join(also, ", ")))
	}
	return b.String()
}

// roff escapes what man(7) would read as an instruction.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// WriteCompletions writes the completion scripts of every shell into dir.
func WriteCompletions(dir string) error {
	files := map[string]string{"bash": "wsctl.bash", "zsh": "_wsctl", "fish": "wsctl.fish", "powershell": "wsctl.ps1"}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	for _, shell := range shells {
		var b bytes.Buffer
		root := newRootCmd(newFactory(Streams{Out: io.Discard, Err: io.Discard}), nil)
		if err := writeCompletion(root, shell, &b); err != nil {
			return fmt.Errorf("cannot write the completion of %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(dir, files[shell]), b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("cannot write the completion of %s: %w", shell, err)
		}
	}
	return nil
}

// writeFiles writes one file for each command and removes those of commands that are
// no more: generated files with the same ending that were not written now.
func writeFiles(dir string, file func(*cobra.Command) (string, []byte)) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make %s: %w", dir, err)
	}
	var names []string
	root := newRootCmd(newFactory(Streams{Out: io.Discard, Err: io.Discard}), nil)
	for _, c := range commandTree(root) {
		name, text := file(c)
		names = append(names, name)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("cannot write the page of %s: %w", c.CommandPath(), err)
		}
	}
	old, err := filepath.Glob(filepath.Join(dir, "wsctl*"))
	for _, path := range old {
		if err == nil && !slices.Contains(names, filepath.Base(path)) {
			err = os.Remove(path)
		}
	}
	return err
}

// commandTree returns cmd and every available command below it.
func commandTree(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, commandTree(c)...)
		}
	}
	return all
}
