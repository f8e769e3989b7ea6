package render

import (
	"io"
	"slices"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// gap separates columns; narrowest is how far a column may be cut, and loosest how far a
// loose one is before any other gives way.
const (
	gap       = 2
	narrowest = 6
	loosest   = 12
	ellipsis  = "…"
)

// Cell is one field of a table. Its text is escaped when it is written.
type Cell struct {
	Text   string
	Colour Colour
}

// Table is a header and rows of text in columns. With Width > 0 no line is wider
// than that many terminal columns: first the columns named by Loose are cut, as far as one
// still sees what they are about, then those named by Spare are left out, in that order,
// then the loose are cut further, then the widest, and what even then has no room is left
// out from the right. "…" shows where text is cut.
type Table struct {
	Header  []string
	Rows    [][]Cell
	Width   int
	Loose   []string // titles, in the order in which they give way
	Spare   []string // titles, likewise
	Palette Palette
}

// Row appends a row of plain cells.
func (t *Table) Row(texts ...string) {
	row := make([]Cell, len(texts))
	for i, s := range texts {
		row[i].Text = s
	}
	t.Rows = append(t.Rows, row)
}

// Write writes the table. The last column is not padded.
func (t *Table) Write(w io.Writer) error {
	t = t.narrowed()
	head := make([]Cell, len(t.Header))
	for i, s := range t.Header {
		head[i] = Cell{s, Bold}
	}
	rows := append([][]Cell{head}, t.Rows...)
	for _, row := range rows {
		for i := range row {
			row[i].Text = Escape(row[i].Text)
		}
	}
	widths := t.widths(rows)
	var b strings.Builder
	for _, row := range rows {
		t.line(&b, row, widths)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// narrowed is the table with the columns for which there is room.
func (t *Table) narrowed() *Table {
	for _, title := range t.Spare {
		if t.fits() {
			return t
		}
		t = t.without(slices.Index(t.Header, title))
	}
	for len(t.Header) > 1 && t.least() > t.Width && t.Width > 0 {
		t = t.without(len(t.Header) - 1)
	}
	return t
}

// without is the table without the column i; -1: as it is.
func (t *Table) without(i int) *Table {
	if i < 0 {
		return t
	}
	less := *t
	less.Header = slices.Delete(slices.Clone(t.Header), i, i+1)
	less.Rows = make([][]Cell, len(t.Rows))
	for j, row := range t.Rows {
		less.Rows[j] = slices.Delete(slices.Clone(row), i, i+1)
	}
	return &less
}

// least is the width of the table with every column cut as far as it may be.
func (t *Table) least() int {
	total := gap * (len(t.Header) - 1)
	for i := range t.Header {
		total += min(t.natural(i), narrowest)
	}
	return total
}

// natural is the width at which nothing of a column is cut.
func (t *Table) natural(i int) int {
	wide := Width(t.Header[i])
	for _, row := range t.Rows {
		wide = max(wide, Width(Escape(row[i].Text)))
	}
	return wide
}

func (t *Table) line(b *strings.Builder, row []Cell, widths []int) {
	last := len(row) - 1
	for last > 0 && row[last].Text == "" {
		last--
	}
	for i, c := range row[:last+1] {
		text := Fit(c.Text, widths[i])
		b.WriteString(t.Palette.Paint(c.Colour, text))
		if i < last {
			b.WriteString(strings.Repeat(" ", widths[i]-Width(text)+gap))
		}
	}
	b.WriteByte('\n')
}

// widths returns the width of each column, cut to fit the terminal.
func (t *Table) widths(rows [][]Cell) []int {
	widths := make([]int, len(t.Header))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], Width(c.Text))
		}
	}
	if t.Width <= 0 {
		return widths
	}
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for _, least := range []int{loosest, narrowest} {
		for _, title := range t.Loose {
			if i := slices.Index(t.Header, title); i >= 0 {
				cut := max(0, min(total-t.Width, widths[i]-least))
				widths[i], total = widths[i]-cut, total-cut
			}
		}
	}
	for ; total > t.Width; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			break // the terminal is narrower than any table
		}
		widths[widest]--
	}
	return widths
}

func (t *Table) loose(i int) bool { return slices.Contains(t.Loose, t.Header[i]) }

// fits reports whether Write cuts nothing but loose columns.
func (t *Table) fits() bool {
	if t.Width <= 0 {
		return true
	}
	total := gap * (len(t.Header) - 1)
	for i := range t.Header {
		wide := t.natural(i)
		if t.loose(i) {
			wide = min(wide, loosest)
		}
		total += wide
	}
	return total <= t.Width
}

// Width returns how many terminal columns s takes.
func Width(s string) int { return displaywidth.String(s) }

// Fit cuts s to n terminal columns; "…" marks the cut.
func Fit(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	return displaywidth.TruncateString(s, n, ellipsis)
}
