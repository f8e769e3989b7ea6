package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// showOptions are the arguments and flags of show.
type showOptions struct {
	Name  string
	Watch bool
}

func newShowCmd(f *Factory, runF func(context.Context, *showOptions) error) *cobra.Command {
	o := &showOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *showOptions) error { return runShow(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show everything about a workspace",
		Long: `Shows one workspace: state and why, how much it is used, URL, what it was made
from, its limits, conditions, and how its last run ended.`,
		Example: `  wsctl show demo
  wsctl show demo --watch
  wsctl show demo --json | jq .state`,
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

func runShow(ctx context.Context, f *Factory, o *showOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	ref := o.Name
	return f.show(ctx, c, ref, o.Watch, func(ctx context.Context) (picture, error) {
		w, err := c.Live(ctx, ref)
		if err == nil {
			ref = w.ID // its name may change
		}
		return picture{liveView{viewOf(w.Workspace), w.Activity}, func(out io.Writer) error { return f.showWorkspace(out, w) }}, err
	})
}

// liveView is what show --json prints.
type liveView struct {
	view
	Activity *api.Activity `json:"activity,omitempty"`
}

// useText is how much a workspace is used and what follows; "" while it does not run.
func useText(now time.Time, a *api.Activity) string {
	if a == nil {
		return ""
	}
	text := fmt.Sprintf("%s, %d connected", a.Level, a.Sessions)
	if a.Step != "" {
		text += ", " + string(a.Step)
	}
	if a.HeldUntil.After(now) {
		text += ", held"
	}
	if a.StopAt.IsZero() {
		return text + ", never stops by itself"
	}
	return text + ", stops " + render.Until(now, a.StopAt)
}

// facts are lines of "name value".
type facts struct{ rows [][2]string }

func (s *facts) add(name, value string) {
	if value != "" {
		s.rows = append(s.rows, [2]string{name, value})
	}
}

// writeFacts writes facts with their values below each other. On a terminal a value that is
// too long for its line goes on below itself.
func (f *Factory) writeFacts(out io.Writer, s facts) error {
	p, width, wide := f.outPalette(), f.width(), 0
	for _, r := range s.rows {
		wide = max(wide, render.Width(r[0]))
	}
	indent := strings.Repeat(" ", wide+2)
	for _, r := range s.rows {
		value := render.Escape(r[1])
		if width > 0 && len(indent)+render.Width(value) > width {
			value = strings.TrimSpace(wrap(value, width, indent))
		}
		if _, err := fmt.Fprintf(out, "%s%s%s\n", p.Paint(render.Faint, r[0]), indent[render.Width(r[0]):], value); err != nil {
			return err
		}
	}
	return nil
}

func (f *Factory) showWorkspace(out io.Writer, l api.Live) error {
	w, now := l.Workspace, f.Now()
	var s facts
	s.add("name", w.Name)
	s.add("id", w.ID)
	s.add("state", stateText(api.BriefOf(w)))
	if string(w.Desired) != string(w.State) {
		s.add("asked for", string(w.Desired))
	}
	s.add("used", useText(now, l.Activity))
	s.add("url", urlOf(w))
	s.add("template", w.Spec.Template)
	specFacts(&s, w.Spec)
	s.add("labels", labelText(w.Labels))
	s.add("owner", w.Owner)
	s.add("job", w.Job)
	s.add("created", render.Ago(now, w.CreatedAt))
	addTime(&s, now, "started", w.StartedAt)
	if w.State == workspace.Running && !w.ReadyAt.IsZero() && !w.StartedAt.IsZero() {
		s.add("ready after", render.Elapsed(w.ReadyAt.Sub(w.StartedAt)))
	}
	addTime(&s, now, "stopped", w.StoppedAt)
	addEnd(&s, w)
	for _, c := range w.Conditions {
		s.add("condition", conditionText(now, c))
	}
	return f.writeFacts(out, s)
}

func addTime(s *facts, now time.Time, name string, t time.Time) {
	if !t.IsZero() {
		s.add(name, render.Ago(now, t))
	}
}

// addEnd tells why it stopped and what the last run left behind.
func addEnd(s *facts, w workspace.Workspace) {
	if w.Stop != nil && w.State != workspace.Running {
		why := string(w.Stop.Reason)
		if w.Stop.Detail != "" {
			why += ": " + w.Stop.Detail
		}
		s.add("stop reason", why)
	}
	if d := w.Death; d != nil {
		text := fmt.Sprintf("exit status %d", d.ExitCode)
		if d.OOMKilled {
			text += ", killed for memory"
		}
		if d.PeakMemory > 0 {
			text += ", peak memory " + render.Bytes(d.PeakMemory)
		}
		s.add("last run", text)
		for _, line := range d.Log {
			s.add("last output", line)
		}
	}
}

func conditionText(now time.Time, c workspace.Condition) string {
	text := string(c.Type)
	if !c.Status {
		text = "not " + text
	}
	if c.Reason != "" {
		text += " (" + c.Reason + ")"
	}
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	return text + ", " + render.Ago(now, c.Time)
}
