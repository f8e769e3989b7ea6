package tui

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// How long a toast stays: a failure has to be read.
const (
	toastTime   = 6 * time.Second
	failureTime = 20 * time.Second
)

// tallToast is from how many lines a toast may have two of each of its sentences.
const tallToast = 16

// toast is one line about what a person has asked for.
type toast struct {
	sign, text, hint string
	bad              bool
	failures         int // of orders, that it is about
	until            time.Time
}

func (m *Model) say(sign, text string) {
	m.toast = &toast{sign: sign, text: text, until: m.now.Add(toastTime)}
}

// sayDone tells the good end of an order, unless a failure is told: of several orders that
// end one after another the failure is what has to be read.
func (m *Model) sayDone(text string) {
	if m.toast == nil || !m.toast.bad {
		m.say("✓", text)
	}
}

// sayFailed tells the bad end of an order for w, and how many there were since a key was
// pressed.
func (m *Model) sayFailed(w workspace.Workspace) {
	text, failures := done(w), 1
	if m.toast != nil {
		failures += m.toast.failures
	}
	if failures > 1 {
		text = fmt.Sprintf("%d failed; the last: %s", failures, text)
	}
	m.toast = &toast{sign: "✗", text: text, hint: "on " + w.Name + " enter shows more, and s tries again", bad: true, failures: failures, until: m.now.Add(failureTime)}
}

// fail shows an error: the sentence, its code and what to do next.
func (m *Model) fail(what string, err error) {
	f := fault.From(err)
	if f == nil || errors.Is(err, m.ctx.Err()) && m.ctx.Err() != nil {
		return
	}
	text := f.Text + " [" + f.Code + "]"
	if what != "" {
		text = what + ": " + text
	}
	m.toast = &toast{sign: "✗", text: text, hint: f.Hint, bad: true, until: m.now.Add(failureTime)}
}

// toastLines are the sentence and, below it, what to do next.
func (m *Model) toastLines(width int) []string {
	t := m.toast
	colour := m.theme.good
	switch {
	case t.bad:
		colour = m.theme.bad
	case t.sign == "›":
		colour = m.theme.accent
	}
	most := 1
	if m.height >= tallToast {
		most = 2
	}
	var lines []string
	for i, part := range fewLines(t.text, width-3, most) {
		sign := " "
		if i == 0 {
			sign = colour.paint(t.sign)
		}
		lines = append(lines, " "+sign+" "+part)
	}
	if t.hint != "" && m.height > 8 {
		for _, part := range fewLines(t.hint, width-3, most) {
			lines = append(lines, "   "+m.theme.faint.paint(part))
		}
	}
	return lines
}

// fewLines breaks a text into at most so many lines; "…" ends the last where there is more.
func fewLines(text string, width, most int) []string {
	width = max(1, width)
	lines := broken(render.Escape(text), width)
	if len(lines) > most {
		rest := strings.Join(lines[most-1:], " ")
		lines = append(lines[:most-1], render.Fit(rest, width))
	}
	return lines
}
