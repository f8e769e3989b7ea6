package tui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// page collects the lines of a pane.
type page struct {
	m      *Model
	r      *row
	width  int
	height int // of the screen; more lines are scrolled
	lines  []string
}

func (p *page) line(s string) { p.lines = append(p.lines, s) }

// fact is a name and its value; a long value goes on below itself.
func (p *page) fact(name, value string) {
	if value == "" {
		return
	}
	p.painted(name, render.Escape(value), p.m.theme.plain)
}

const factWidth = 11

// painted is fact for a value that is safe already.
func (p *page) painted(name, value string, colour ink) {
	room := max(10, p.width-factWidth-3)
	for i, part := range broken(value, room) {
		label := strings.Repeat(" ", factWidth)
		if i == 0 {
			label = p.m.theme.faint.paint(cell(name, factWidth, false))
		}
		p.line(" " + label + " " + colour.paint(part))
	}
}

// broken breaks text at spaces into lines of at most width columns.
func broken(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.SplitSeq(text, " ") {
		for render.Width(word) > width {
			if line != "" {
				out, line = append(out, line), ""
			}
			part := head(word, width)
			out, word = append(out, part), word[len(part):]
		}
		switch {
		case line == "":
			line = word
		case render.Width(line)+1+render.Width(word) <= width:
			line += " " + word
		default:
			out, line = append(out, line), word
		}
	}
	return append(out, line)
}

func suffix(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// clockTime is t on a clock, with its day where that is not the day of now.
func clockTime(now, t time.Time) string {
	now, t = now.Local(), t.Local()
	switch {
	case now.YearDay() == t.YearDay() && now.Year() == t.Year():
		return t.Format("15:04")
	case t.Sub(now) < 6*24*time.Hour:
		return t.Format("Mon 15:04")
	}
	return t.Format("2 Jan 15:04")
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// table draws rows in columns that fit the page; loose ones give way first.
func (p *page) table(header []string, rows [][]render.Cell, nothing string, loose ...string) {
	if len(rows) == 0 {
		p.line(p.m.theme.faint.paint(" " + nothing))
		return
	}
	if n := max(2, p.width/12); n < len(header) { // a few columns that can be read
		header = header[:n]
		for i := range rows {
			rows[i] = rows[i][:n]
		}
	}
	t := render.Table{Header: header, Rows: rows, Width: max(20, p.width-2), Loose: loose}
	var b strings.Builder
	_ = t.Write(&b) // a Builder never fails
	for i, line := range strings.Split(strings.TrimRight(b.String(), "\n"), "\n") {
		if i == 0 {
			line = p.m.theme.faint.paint(line)
		}
		p.line(" " + line)
	}
}

func texts(words ...string) []render.Cell {
	out := make([]render.Cell, len(words))
	for i, s := range words {
		out[i].Text = s
	}
	return out
}

// eventWidth is from how many columns is told who brought a fact about.
const eventWidth = 56

// maxRows bounds the facts of one workspace that are drawn.
const maxRows = 200

// events are the fetched facts and those that came since, newest first. Its creation is the
// first of all: without it there may be older ones.
func (p *page) events() {
	last := uint64(0)
	all := slices.Clone(p.m.detail.got.Events)
	if len(all) > 0 {
		last = all[len(all)-1].Seq
	}
	for _, e := range p.m.facts {
		if e.Workspace == p.r.w.ID && e.Seq > last {
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	var rows [][]render.Cell
	shown := all[:min(len(all), maxRows)]
	for _, e := range shown {
		rows = append(rows, texts(render.Ago(p.m.now, e.Time), string(e.Kind), eventText(e), e.Actor))
	}
	header := []string{"WHEN", "WHAT", "DETAIL", "WHO"}
	if p.width < eventWidth { // what happened is read whole, and why as far as there is room
		for i := range rows {
			rows[i] = rows[i][:3]
		}
		header = header[:3]
	}
	p.table(header, rows, "nothing has happened lately", "DETAIL")
	if !slices.ContainsFunc(shown, func(e event.Event) bool { return e.Kind == event.WorkspaceCreated }) {
		p.line(p.m.theme.faint.paint(" older ones are told by wsctl events --workspace " + p.r.w.Name))
	}
}

// eventText is what of a fact people want to read.
func eventText(e event.Event) string {
	d := e.Detail
	switch e.Kind {
	case event.WorkspaceState:
		return d["from"] + " → " + d["to"]
	case event.JobEnded:
		return d["kind"] + " " + d["state"] + suffix(": ", d["code"])
	case event.JobRetried:
		return d["code"] + suffix(", again in ", shortSpan(d["in"]))
	case event.CommandAccepted, event.CommandDenied:
		return d["command"] + suffix(": ", d["code"])
	case event.WorkspaceCondition:
		return d["type"] + " " + d["status"] + suffix(": ", d["reason"])
	case event.ActivityLevel:
		return d["from"] + " → " + d["to"] + suffix(", stops at ", render.LocalTime(d["stop_at"]))
	}
	d = maps.Clone(d)
	for k, v := range d {
		if d[k] = render.LocalTime(v); v == "" {
			delete(d, k)
		}
	}
	return labelText(d) + suffix(" ", strings.TrimPrefix(e.Result, "ok"))
}

func (p *page) sessions() {
	why := p.m.detail.got.Why
	if why == nil {
		p.table(nil, nil, "wsd tells nothing of connections")
		return
	}
	var rows [][]render.Cell
	for _, s := range why.Sessions {
		quality := string(s.Quality)
		if s.SRTT > 0 {
			quality += fmt.Sprintf(", %.0f ms", s.SRTT)
		}
		if !s.Lost.IsZero() {
			quality = "lost " + render.Ago(p.m.now, s.Lost)
		}
		input := "-"
		if !s.LastInput.IsZero() {
			input = render.Ago(p.m.now, s.LastInput)
		}
		rows = append(rows, texts(string(s.Kind), s.User, quality, render.Ago(p.m.now, s.Since), input, s.Peer))
	}
	p.table([]string{"KIND", "USER", "QUALITY", "SINCE", "LAST USED", "FROM"}, rows, "nobody is connected")
}

func (p *page) ports() {
	d := p.m.detail.got
	var rows [][]render.Cell
	for _, l := range d.Listening {
		rows = append(rows, texts(strconv.Itoa(l.Port), l.Address, l.Process, l.Label, l.URL))
	}
	p.table([]string{"PORT", "ADDRESS", "PROGRAM", "LABEL", "URL"}, rows, "nothing listens inside")
	p.line("")
	rows = nil
	for _, t := range d.Terminals {
		runs := cmp.Or(t.Foreground, strings.Join(t.Command, " "), "shell")
		rows = append(rows, texts(t.Name, runs, fmt.Sprintf("%dx%d", t.Cols, t.Rows), strconv.Itoa(t.Writers), strconv.Itoa(t.Viewers-t.Writers), render.Ago(p.m.now, t.LastInput)))
	}
	p.table([]string{"TERMINAL", "RUNS", "SIZE", "WRITERS", "VIEWERS", "LAST INPUT"}, rows, "no terminal; x opens one")
	p.forwards()
}

func (p *page) jobs() {
	var rows [][]render.Cell
	for _, j := range slices.Backward(p.m.detail.got.Jobs) {
		took := "-"
		if !j.EndedAt.IsZero() {
			took = render.Elapsed(j.EndedAt.Sub(j.CreatedAt))
		}
		rows = append(rows, texts(render.Ago(p.m.now, j.CreatedAt), string(j.Kind), string(j.State), took, fmt.Sprintf("%d of %d", j.Attempt, j.Attempts), jobError(j)))
	}
	p.table([]string{"WHEN", "JOB", "STATE", "TOOK", "ATTEMPT", "ERROR"}, rows, "no job is kept")
	p.lastFailure()
}

// lastFailure is the whole of what the table cuts: why the newest job has failed, and what to
// do about it.
func (p *page) lastFailure() {
	all := p.m.detail.got.Jobs
	if len(all) == 0 || all[len(all)-1].Error == "" {
		return
	}
	j := all[len(all)-1]
	p.line("")
	p.painted("error", render.Escape(jobError(j)), p.m.theme.bad)
	p.fact("hint", j.Hint)
}

// shortSpan is a duration of a fact as people read it.
func shortSpan(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return s
	}
	return render.Elapsed(d)
}

func jobError(j workspace.Job) string {
	if j.Code == "" {
		return j.Error
	}
	return j.Error + " [" + j.Code + "]"
}
