package cli

import (
	"strings"

	"github.com/wsctl/wsctl/internal/render"
)

// Columns of folded help: below foldRoom beside its name, a description stands on lines of
// its own, which begin at foldBelow.
const (
	foldRoom  = 24
	foldBelow = 8
)

// reflow fits paragraphs into width columns; 0: as they are. Lines that are indented are
// no paragraph.
func reflow(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	paragraph := ""
	end := func() {
		if paragraph != "" {
			b.WriteString(wrap(paragraph, width, ""))
		}
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "" && line[0] != ' ' {
			paragraph += line
			continue
		}
		end()
		b.WriteString(line)
	}
	end()
	return strings.TrimSuffix(b.String(), "\n")
}

// fold fits lines into width columns; 0: as they are. What goes on below a name and its
// description stands below the description.
func fold(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); render.Width(line) <= width {
			b.WriteString(line + "\n")
			continue
		}
		name, about := described(line)
		at := len(name)
		if width-at < foldRoom && strings.TrimSpace(name) != "" {
			b.WriteString(strings.TrimRight(name, " ") + "\n")
			name, at = strings.Repeat(" ", foldBelow), foldBelow
		}
		b.WriteString(name + wrap(about, width, strings.Repeat(" ", at))[at:])
	}
	return b.String()
}

// described splits a line where its description begins, which is behind the first two
// spaces after a word; one without a name is all description.
func described(line string) (name, about string) {
	start := len(line) - len(strings.TrimLeft(line, " "))
	gap := strings.Index(line[start:], "  ")
	if gap < 0 {
		return line[:start], line[start:]
	}
	rest := strings.TrimLeft(line[start+gap:], " ")
	return line[:len(line)-len(rest)], rest
}
