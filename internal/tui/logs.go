package tui

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of the lines that are kept, and of those that wait for the next frame.
const (
	ringLines = 5000
	ringBytes = 4 << 20
	waitLines = 2000
)

// lines is what a workspace printed between two frames.
type lines struct {
	add     []logLine
	dropped int
}

// put adds a line and drops the oldest where there are too many.
func (l *lines) put(line workspace.LogLine) {
	if len(l.add) >= waitLines {
		n := copy(l.add, l.add[waitLines/4:])
		l.dropped += len(l.add) - n
		clear(l.add[n:])
		l.add = l.add[:n]
	}
	l.add = append(l.add, newLogLine(line.Text, line.Stream == "stderr"))
}

// logs is the newest output of one run in a ring, and which part of it is seen.
type logs struct {
	stream  *stream[lines]
	run     string
	ring    []logLine
	bytes   int
	dropped int
	over    bool
	err     error

	back   int // rows between the end and the bottom of the screen; 0 follows
	wrap   bool
	only   string // a filter: lines without it are not shown
	search string
	room   int // rows of lines on the screen
	width  int // columns of each; 0: not seen yet
}

// renew lets follow begin anew, with the same filter.
func (l *logs) renew() {
	l.stream.stop()
	l.stream = nil
}

func (l *logs) close() {
	l.stream.stop()
	*l = logs{wrap: l.wrap, width: l.width}
}

// follow begins a stream where the pane is shown and a new one with each run.
func (l *logs) follow(m *Model, d *detail) tea.Cmd {
	r := m.list.known[d.id]
	if d.pane != Logs || r == nil {
		if l.stream != nil {
			l.close()
		}
		return nil
	}
	if l.stream != nil && l.run == r.w.Run || !m.link.Daemon {
		return nil
	}
	l.stream.stop()
	id, source := d.id, m.source
	s, cmd := begin(m.ctx, linePace, func(ctx context.Context, put func(func(*lines))) error {
		return source.Logs(ctx, id, func(line workspace.LogLine) { put(func(l *lines) { l.put(line) }) })
	})
	l.stream, l.run, l.over, l.err = s, r.w.Run, false, nil
	l.ring, l.bytes, l.dropped, l.back = nil, 0, 0, 0
	return cmd
}

func (l *logs) take(m *Model, p parcel[lines]) tea.Cmd {
	if p.stream != l.stream {
		return nil
	}
	l.dropped += p.got.dropped
	for _, line := range p.got.add {
		l.ring = append(l.ring, line)
		l.bytes += len(line.text)
		if l.back > 0 && l.shows(line) {
			l.back += l.rows(line) // what is read stays where it is
		}
	}
	l.shrink()
	if p.over {
		l.over, l.err = true, p.err
		return nil
	}
	return p.stream.next()
}

// shrink drops the oldest lines.
func (l *logs) shrink() {
	n := 0
	for len(l.ring)-n > ringLines || l.bytes > ringBytes {
		l.bytes -= len(l.ring[n].text)
		n++
	}
	if n == 0 {
		return
	}
	l.dropped += n
	l.ring = slices.Clone(l.ring[n:])
	l.move(0) // what was read may be gone
}

func (l *logs) shows(line logLine) bool {
	return l.only == "" || strings.Contains(strings.ToLower(line.text), strings.ToLower(l.only))
}

// shown are the lines that the filter leaves.
func (l *logs) shown() []logLine {
	if l.only == "" {
		return l.ring
	}
	return slices.DeleteFunc(slices.Clone(l.ring), func(x logLine) bool { return !l.shows(x) })
}

// move goes n rows towards the end, as far as there are rows.
func (l *logs) move(n int) {
	back, above := max(0, l.back-n), 0
	for _, line := range slices.Backward(l.shown()) {
		if above += l.rows(line); above >= back+l.room {
			break
		}
	}
	l.back = max(0, min(back, above-l.room))
}

// rows counts the rows of a line on the screen.
func (l *logs) rows(line logLine) int {
	if !l.wrap || l.width == 0 || len(line.text) <= l.width { // no character has more columns than bytes
		return 1
	}
	if line.even > 0 {
		return (line.even + l.width - 1) / l.width
	}
	return len(l.parts(line.text))
}

// parts is what of a line stands in each of its rows.
func (l *logs) parts(text string) []string {
	if !l.wrap {
		return []string{render.Fit(text, l.width)}
	}
	var out []string
	for {
		part := head(text, l.width)
		out, text = append(out, part), text[len(part):]
		if text == "" {
			return out
		}
	}
}

// setWrap breaks long lines or cuts them. The line at the bottom stays there.
func (l *logs) setWrap(on bool) {
	all := l.shown()
	i := l.bottom(all)
	l.wrap = on
	l.showLast(all, i)
	l.move(0)
}

// bottom is the line of all of which the lowest row on the screen is a part; -1 without lines.
func (l *logs) bottom(all []logLine) int {
	i := len(all) - 1
	for below := l.back; i > 0; i-- {
		if below -= l.rows(all[i]); below < 0 {
			break
		}
	}
	return i
}

// showLast moves the end of line i of all to the bottom of the screen.
func (l *logs) showLast(all []logLine, i int) {
	l.back = 0
	for _, line := range all[i+1:] {
		l.back += l.rows(line)
	}
}

func (l *logs) actions() []action {
	always := func(*Model) bool { return true }
	return []action{
		{"f", "follow", "follow the newest line", func(m *Model) bool { return m.detail.logs.back > 0 }, func(m *Model) tea.Cmd { m.detail.logs.back = 0; return nil }},
		{"/", "search", "search in the lines", always, (*Model).askSearch},
		{"N", "older", "search on towards older lines", func(m *Model) bool { return m.detail.logs.search != "" }, func(m *Model) tea.Cmd { return m.search(1) }},
		{"n", "newer", "search on towards newer lines", func(m *Model) bool { return m.detail.logs.search != "" }, func(m *Model) tea.Cmd { return m.search(-1) }},
		{"&", "only", "only lines with a text", always, (*Model).askOnly},
		{"w", "wrap", "break or cut long lines", always, func(m *Model) tea.Cmd { m.detail.logs.setWrap(!m.detail.logs.wrap); return nil }},
	}
}

func (m *Model) askSearch() tea.Cmd {
	return m.ask(prompt{title: "search:", enter: func(m *Model, s string) tea.Cmd {
		m.detail.logs.search = s
		m.search(0)
		return nil
	}}, m.detail.logs.search)
}

func (m *Model) askOnly() tea.Cmd {
	only := func(m *Model, s string) { m.detail.logs.only, m.detail.logs.back = s, 0 }
	before := m.detail.logs.only
	return m.ask(prompt{
		title: "only lines with:", live: only,
		enter: func(m *Model, s string) tea.Cmd { only(m, s); return nil },
		leave: func(m *Model) { only(m, before) },
	}, before)
}

// search goes to the next match, or says that there is none.
func (m *Model) search(step int) tea.Cmd {
	if l := &m.detail.logs; !l.find(step) && l.search != "" {
		where := map[int]string{1: "no older line", -1: "no newer line"}[step]
		m.say("·", cmp.Or(where, "no line above this one")+" has "+strconv.Quote(l.search))
	}
	return nil
}

// find moves the newest match that is step away from the bottom line (1: older, -1:
// newer, 0: from here) to the bottom, and reports whether there is one.
func (l *logs) find(step int) bool {
	all := l.shown()
	for i := l.bottom(all) - step; l.search != "" && i >= 0 && i < len(all); {
		if strings.Contains(strings.ToLower(all[i].text), strings.ToLower(l.search)) {
			l.showLast(all, i)
			return true
		}
		if step < 0 {
			i++
		} else {
			i--
		}
	}
	return false
}

// view draws the newest rows that fit, from the bottom up.
func (l *logs) view(m *Model, width, room int) []string {
	all := l.shown()
	l.room = max(1, room-1)
	if columns := max(1, width-1); columns != l.width {
		bottom := l.bottom(all)
		l.width = columns
		l.showLast(all, bottom)
	}
	var out []string
	below := l.back
	for i := len(all) - 1; i >= 0 && len(out) < l.room; i-- {
		if n := l.rows(all[i]); n <= below {
			below -= n
			continue
		}
		rows := l.draw(m, all[i])
		rows = rows[:len(rows)-below]
		below = 0
		slices.Reverse(rows)
		out = append(out, rows...)
	}
	out = out[:min(len(out), l.room)]
	slices.Reverse(out)
	switch {
	case len(l.ring) > 0:
	case !m.link.Daemon:
		out = append(out, m.theme.faint.paint(" wsd is away; what was written is asked for when it is back"))
	default:
		out = append(out, m.theme.faint.paint(" nothing is written yet; what its command prints comes here"))
	}
	for len(out) < l.room {
		out = append(out, "")
	}
	return append(out, m.theme.faint.paint(" "+render.Fit(l.foot(all, m.link.Daemon), width-1)))
}

// draw draws the rows of a line.
func (l *logs) draw(m *Model, line logLine) []string {
	colour := m.theme.plain
	if line.err {
		colour = m.theme.busy
	}
	found := l.search != "" && strings.Contains(strings.ToLower(line.text), strings.ToLower(l.search))
	if found {
		colour = m.theme.key
	}
	out := l.parts(line.text)
	for i, part := range out {
		sign := " "
		if found && i == 0 {
			sign = "▸"
		}
		out[i] = sign + colour.paint(part)
	}
	return out
}

// foot says what is seen of what there is.
func (l *logs) foot(all []logLine, live bool) string {
	text := plural(len(all), "line")
	if l.only != "" {
		text = fmt.Sprintf("%d of %d lines with %q", len(all), len(l.ring), l.only)
	}
	if l.dropped > 0 {
		text += fmt.Sprintf(", %d older dropped", l.dropped)
	}
	switch newer := len(all) - 1 - l.bottom(all); {
	case newer > 0:
		text += fmt.Sprintf(" · %d newer below", newer)
	case l.back > 0:
		text += " · goes on below"
	}
	switch {
	case !live:
		text += " · wsd is away"
	case l.err != nil:
		text += " · " + render.Escape(l.err.Error())
	case l.over:
		text += " · the run has ended"
	case l.back == 0:
		text += " · following"
	}
	return text
}
