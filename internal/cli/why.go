package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// whyOptions are the arguments and flags of why.
type whyOptions struct {
	Name  string
	Watch bool
}

func newWhyCmd(f *Factory, runF func(context.Context, *whyOptions) error) *cobra.Command {
	o := &whyOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *whyOptions) error { return runWhy(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Tell why a workspace runs or stopped, and what comes",
		Long: `Shows on one screen what decides about the life of a workspace: how much it is used,
who is connected, what showed that somebody uses it or that something works in it, what
holds it, what will happen when if nobody does anything, and how its last run ended.

Asking changes nothing: a look is no use.`,
		Example: `  wsctl why demo
  wsctl why demo --watch
  wsctl why demo --json | jq -r .stop_at`,
		Args:              takes(1, 1, "one NAME"),
		ValidArgsFunction: completeWorkspaces(f, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Name = args[0]
			return runF(cmd.Context(), o)
		},
	}
	addWatchFlag(cmd, &o.Watch)
	return cmd
}

func runWhy(ctx context.Context, f *Factory, o *whyOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	ref := o.Name
	return f.show(ctx, c, ref, o.Watch, func(ctx context.Context) (picture, error) {
		why, err := c.Why(ctx, ref)
		if err == nil {
			ref = why.Workspace.ID // its name may change
		}
		asked := f.Now()
		return picture{why, func(out io.Writer) error {
			y := why
			y.Now = y.Now.Add(f.Now().Sub(asked)) // it may be drawn later than it was asked for
			return explainUse(out, y, f.outPalette(), f.width())
		}}, err
	})
}

// shownEvidence is how many lines of the ledger fit on the screen beside the rest.
const shownEvidence = 6

// explainUse writes the screen of why: a headline, then sections that have something to say.
// width is that of the terminal; 0: nothing is cut.
func explainUse(out io.Writer, y api.Why, p render.Palette, width int) error {
	var b strings.Builder
	head := headline(y, p)
	if plain := headline(y, render.Palette{}); width > 0 && render.Width(plain) > width {
		head = wrap(plain, width, "")
	}
	b.WriteString(head)
	b.WriteString(wrap(render.Escape(verdictText(y)), width, ""))
	if c, missing := y.Workspace.Condition(workspace.PolicyMissing); missing {
		b.WriteString(p.Paint(render.Busy, wrap("Note: "+render.Escape(c.Detail)+"; choose one with `wsctl policy`.", width, "")))
	}
	part := func(title string, rows [][]render.Cell) {
		if len(rows) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", p.Paint(render.Bold, title))
		for i := range rows {
			rows[i] = append([]render.Cell{{}}, rows[i]...)
		}
		t := render.Table{Header: make([]string, len(rows[0])), Rows: rows, Width: width, Palette: p}
		var lines strings.Builder
		_ = t.Write(&lines)
		_, body, _ := strings.Cut(lines.String(), "\n") // without the empty header
		b.WriteString(body)
	}
	part("CONNECTED", connectedRows(y))
	people, work := evidenceRows(y)
	part("USED", people)
	part("WORK", work)
	part("HELD", holdRows(y))
	part("NEXT", nextRows(y))
	part("LAST STOP", lastStopRows(y))
	if w := y.Workspace; w.Stop != nil && w.Stop.Detail != "" {
		b.WriteString(wrap(render.Escape(render.Relative(y.Now, w.Stop.Detail)), width, "  "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func headline(y api.Why, p render.Palette) string {
	return fmt.Sprintf("%s is %s%s\n", p.Paint(render.Bold, render.Escape(y.Workspace.Name)),
		p.Paint(render.StateColour(y.Workspace.State), string(y.Workspace.State)), levelText(y, p))
}

func levelText(y api.Why, p render.Palette) string {
	if y.Level == "" {
		return ""
	}
	text := ", " + p.Paint(levelColour(y.Level), string(y.Level))
	if y.Step != "" {
		text += " and " + string(y.Step)
	}
	return text + p.Paint(render.Faint, " (policy "+render.Escape(y.Policy.Name)+")")
}

// verdictText is one sentence: what will become of it.
func verdictText(y api.Why) string {
	switch {
	case y.Level == "":
		return "It does not run, so nothing will stop it."
	case y.StopAt.IsZero():
		return "It never stops by itself."
	}
	text := "It stops " + render.Until(y.Now, y.StopAt)
	if i := slices.IndexFunc(y.Next, func(t api.Transition) bool { return t.What == "stop" }); i >= 0 && y.Next[i].Why != "" {
		text += ": " + render.Relative(y.Now, y.Next[i].Why)
	}
	return text + "."
}

// lately is how long ago t was, inside a sentence.
func lately(now, t time.Time) string {
	if said := render.Ago(now, t); said != "now" {
		return said
	}
	return "just now"
}

func levelColour(l activity.Level) render.Colour {
	switch l {
	case activity.Active:
		return render.Good
	case activity.Idle, activity.Background:
		return render.Busy
	}
	return render.Faint
}

func connectedRows(y api.Why) [][]render.Cell {
	var rows [][]render.Cell
	for _, s := range y.Sessions {
		rows = append(rows, []render.Cell{
			{Text: string(s.Kind)}, {Text: personText(s.User)}, qualityCell(s), {Text: "since " + lately(y.Now, s.Since)}, {Text: inputText(y.Now, s)},
		})
	}
	return rows
}

func qualityCell(s activity.Session) render.Cell {
	switch {
	case !s.Lost.IsZero():
		return render.Cell{Text: "lost", Colour: render.Bad}
	case s.Quality == activity.Stable && s.SRTT > 0:
		return render.Cell{Text: fmt.Sprintf("stable %.1f ms", s.SRTT), Colour: render.Good}
	case s.Quality == activity.Stable:
		return render.Cell{Text: "stable", Colour: render.Good}
	case s.Quality == activity.Poor:
		return render.Cell{Text: "poor", Colour: render.Bad}
	}
	return render.Cell{Text: string(s.Quality), Colour: render.Busy}
}

func inputText(now time.Time, s activity.Session) string {
	if s.LastInput.IsZero() {
		return "nothing done"
	}
	return "last used " + lately(now, s.LastInput)
}

// personText is how people call who did something.
func personText(who string) string {
	switch who {
	case workspace.FrontDoor:
		return "front door"
	case workspace.Daemon:
		return "wsd"
	}
	return who
}

// evidenceRows are the newest lines of the ledger, newest first: of people, and of work.
func evidenceRows(y api.Why) (people, work [][]render.Cell) {
	for _, e := range slices.Backward(y.Ledger) {
		count := ""
		if e.Count > 1 {
			count = fmt.Sprintf("%d times", e.Count)
		}
		row := []render.Cell{{Text: render.Ago(y.Now, e.Last)}, {Text: e.Words()}, {Text: personText(e.Who)}, {Text: count, Colour: render.Faint}}
		switch {
		case e.Kind.Engages() && len(people) < shownEvidence:
			people = append(people, row)
		case !e.Kind.Engages() && len(work) < shownEvidence:
			work = append(work, row)
		}
	}
	return people, work
}

func holdRows(y api.Why) [][]render.Cell {
	var rows [][]render.Cell
	for _, h := range y.Holds {
		end := "for " + render.Left(h.Until.Sub(y.Now)) + " more"
		if h.Session != "" {
			end = "while its command runs"
		}
		rows = append(rows, []render.Cell{{Text: h.ID}, {Text: end}, {Text: personText(h.Actor)}, {Text: h.Reason}})
	}
	return rows
}

func nextRows(y api.Why) [][]render.Cell {
	var rows [][]render.Cell
	for _, t := range y.Next {
		colour, why := render.Plain, render.Relative(y.Now, t.Why)
		if t.What == "stop" { // why, the headline has said
			colour, why = render.Bad, ""
		}
		rows = append(rows, []render.Cell{
			{Text: render.Until(y.Now, t.At)}, {Text: strings.ReplaceAll(t.What, "_", " "), Colour: colour}, {Text: why},
		})
	}
	return rows
}

func lastStopRows(y api.Why) [][]render.Cell {
	w := y.Workspace
	if w.Stop == nil || w.StoppedAt.IsZero() {
		return nil
	}
	return [][]render.Cell{{{Text: render.Ago(y.Now, w.StoppedAt)}, {Text: strings.ReplaceAll(string(w.Stop.Reason), "_", " ")}, {Text: personText(w.Stop.Actor)}}}
}

// wrap breaks a sentence into lines of at most width columns; 0 breaks nothing.
func wrap(text string, width int, indent string) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if width > 0 && line != indent && render.Width(line)+1+render.Width(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
