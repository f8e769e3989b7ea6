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
	return f.show(ctx, c, o.Name, o.Watch, func(ctx context.Context) (picture, error) {
		w, err := c.Live(ctx, o.Name)
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

// facts collects lines of "name value" and aligns them.
type facts struct{ rows [][2]string }

func (s *facts) add(name, value string) {
	if value != "" {
		s.rows = append(s.rows, [2]string{name, value})
	}
}

func (s *facts) write(out io.Writer, p render.Palette) error {
	wide := 0
	for _, r := range s.rows {
		wide = max(wide, len(r[0]))
	}
	for _, r := range s.rows {
		pad := strings.Repeat(" ", wide-len(r[0])+2)
		if _, err := fmt.Fprintf(out, "%s%s%s\n", p.Paint(render.Faint, r[0]), pad, render.Escape(r[1])); err != nil {
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
	s.add("image", w.Spec.Image)
	s.add("command", strings.Join(w.Spec.Command, " "))
	s.add("port inside", fmt.Sprint(w.Spec.Port))
	s.add("limits", render.Limits(w.Spec.Limits))
	s.add("profile", string(w.Spec.Profile))
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
	for _, n := range w.Spec.Notes {
		s.add("note", n.Key+" "+n.Reason)
	}
	return s.write(out, f.outPalette())
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
