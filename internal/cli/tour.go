package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// cleanupTime bounds how long the deletion at the end of a tour that was cut short may take.
const cleanupTime = 2 * time.Minute

// tourOptions are the flags of tour.
type tourOptions struct {
	Name    string
	NoPause bool
}

func newTourCmd(f *Factory, runF func(context.Context, *tourOptions) error) *cobra.Command {
	o := &tourOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *tourOptions) error { return runTour(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "tour",
		Short: "Show in a minute how it works, with a real workspace",
		Long: `Makes a workspace, uses it, asks why it will stop, stops, starts and deletes it. Each
step is told and then done by the very command that is shown, so each can be typed
again. On a terminal it waits for enter after each.

What it has made is deleted at the end, also when a step fails or Ctrl-C ends the tour.
Other workspaces are not touched.`,
		Example: `  wsctl tour
  wsctl tour --no-pause
  wsctl tour --json | jq -c '{command, status, took}'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := takes(0, 0, "")(cmd, args); err != nil {
				return err
			}
			return workspace.ValidateName(o.Name)
		},
		RunE:        func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		Annotations: map[string]string{exitNote: "That of the step that failed, if one has."},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Name, "name", "tour", "`NAME` of the workspace")
	flags.BoolVar(&o.NoPause, "no-pause", false, "do not wait for enter")
	return cmd
}

// tourStep is one command of the tour and what is said before it.
type tourStep struct {
	say  string
	args []string
}

// tourSteps are the steps with a workspace of this name, made with this label.
func tourSteps(name, label string) []tourStep {
	return []tourStep{
		{
			"A workspace is a container with files, limits and an address of its own. This makes\none from the template \"static\", which is built in and needs no network.",
			[]string{"create", name, "--template", "static", "--label", label},
		},
		{"Its address by name. A browser on this machine shows a page there.", []string{"open", name, "--print"}},
		{"Commands run inside it, locked away from this machine.", []string{"exec", name, "--", "sh", "-c", "echo hello from $WSD_NAME; ls -l public"}},
		{"A workspace that nobody uses stops by itself. This tells when, and why.", []string{"why", name}},
		{"It is kept for longer by a hold, for a time or while a command runs.", []string{"hold", name, "--for", "30m", "--reason", "the tour"}},
		{"Stopped it takes no memory and no processor. Files and address stay.", []string{"stop", name}},
		{"A request to its address wakes it, and so does this.", []string{"start", name}},
		{"All workspaces. On a terminal wsctl alone shows them live.", []string{"list"}},
		{"Deleted it is gone, with its files.", []string{"delete", name, "--force"}},
	}
}

// tourResult is one step of tour --json.
type tourResult struct {
	Step    int             `json:"step"`
	Of      int             `json:"of"`
	Command string          `json:"command"`
	Status  int             `json:"status"`
	Took    float64         `json:"took"` // seconds
	Result  json.RawMessage `json:"result,omitempty"`
	Output  string          `json:"output,omitempty"` // of a command that prints no JSON
}

// tour is one run of it.
type tour struct {
	f     *Factory
	o     *tourOptions
	label string
	took  time.Duration
}

func runTour(ctx context.Context, f *Factory, o *tourOptions) (err error) {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if _, err := c.Workspace(ctx, o.Name); err == nil {
		return fault.New(fault.Conflict, "name_taken", "there is a workspace %s already, and the tour deletes the one that it makes", o.Name).
			WithHint("give the tour another name: wsctl tour --name tour-2")
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	t := &tour{f: f, o: o, label: "tour=" + strconv.FormatUint(rand.Uint64(), 36)}
	defer func() { err = t.clean(ctx, c, err) }()
	steps := tourSteps(o.Name, t.label)
	for i, s := range steps {
		if err := t.step(ctx, i+1, len(steps), s); err != nil {
			return err
		}
		if i < len(steps)-1 {
			if err := t.pause(ctx); err != nil {
				return err
			}
		}
	}
	if f.JSON {
		return nil
	}
	return f.print("%s Its commands took %s. From here:\n\n  wsctl create NAME   one of your own\n  wsctl               the dashboard\n  wsctl --help        everything else\n",
		f.outPalette().Paint(render.Good, "That was the tour."), render.Elapsed(t.took))
}

// step says what comes and does it. A step that fails is the end.
func (t *tour) step(ctx context.Context, n, of int, s tourStep) error {
	words := []string{"wsctl"}
	for _, a := range s.args {
		words = append(words, render.Quote(a))
	}
	line := strings.Join(words, " ")
	var captured bytes.Buffer
	streams := t.f.Streams
	streams.In, streams.InTTY, streams.inFile = strings.NewReader(""), false, nil
	if t.f.JSON {
		streams.Out, streams.Err, streams.OutTTY, streams.ErrTTY = &captured, io.Discard, false, false
	} else {
		streams.Out, _ = t.f.terminal.(io.Writer)
		p := t.f.outPalette()
		number := fmt.Sprintf("%d/%d", n, of)
		_, said, _ := strings.Cut(reflow(number+" "+s.say, t.f.width()), " ")
		if err := t.f.print("%s %s\n%s %s\n", p.Paint(render.Faint, number), said, p.Paint(render.Faint, "$"), p.Paint(render.Bold, line)); err != nil {
			return err
		}
		if err := t.f.flush(); err != nil {
			return err
		}
	}
	begun := time.Now()
	status := Main(ctx, t.arguments(s.args), streams)
	took := time.Since(begun)
	t.took += took
	if err := t.tell(tourResult{Step: n, Of: of, Command: line, Status: status, Took: took.Seconds()}, captured.Bytes()); err != nil {
		return err
	}
	if status == 0 {
		return nil
	}
	if !t.f.JSON {
		t.f.note("the tour ends here: step %d of %d has ended with status %d", n, of, status)
	}
	return exitStatus(status)
}

// arguments are those of a step with the options that lead to the same wsd.
func (t *tour) arguments(args []string) []string {
	s, _ := t.f.Settings() // they were read before
	options := []string{"--socket", s.Socket}
	if t.f.ConfigFile != "" {
		options = append(options, "--config", t.f.ConfigFile)
	}
	if t.f.JSON {
		options = append(options, "--json")
	}
	return append(options, args...)
}

// tell ends a step: with --json as a line.
func (t *tour) tell(r tourResult, out []byte) error {
	if !t.f.JSON {
		return t.f.print("\n")
	}
	if json.Valid(out) {
		r.Result = out
	} else {
		r.Output = string(out)
	}
	if err := render.JSONLine(t.f.Streams.Out, r); err != nil {
		return err
	}
	return t.f.flush()
}

// pause waits for enter where there is somebody to press it.
func (t *tour) pause(ctx context.Context) error {
	s := t.f.Streams
	if t.o.NoPause || t.f.JSON || !s.InTTY || !s.OutTTY {
		return ctx.Err()
	}
	if err := t.f.flush(); err != nil {
		return err
	}
	if _, err := t.f.answer(ctx, t.f.errPalette().Paint(render.Faint, "enter goes on, Ctrl-C ends the tour ")); err != nil {
		return fault.New(fault.Interrupted, "interrupted", "the tour has ended early")
	}
	if !s.dumb() {
		_, _ = fmt.Fprint(s.Err, "\x1b[A\x1b[K") // one line up, and clear it (ECMA-48)
	}
	return nil
}

// clean deletes what the tour has made and not deleted. It is told by the label, so also a
// workspace is found whose create was cut short. It goes on after Ctrl-C.
func (t *tour) clean(parent context.Context, c *client.Client, cause error) error {
	taken := make(chan os.Signal, 1) // a second Ctrl-C does not end the program now
	signal.Notify(taken, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(taken)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), cleanupTime)
	defer cancel()
	selectors, err := parseSelectors([]string{t.label})
	if err != nil {
		return err
	}
	list, err := c.Workspaces(ctx, api.Filter{Labels: selectors})
	if err == nil && len(list.Workspaces) > 0 {
		t.f.note("deleting the workspace of the tour")
		streams := t.f.Streams
		streams.In, streams.InTTY, streams.inFile, streams.Out = strings.NewReader(""), false, nil, io.Discard
		if Main(ctx, t.arguments([]string{"delete", "--label", t.label, "--force"}), streams) != 0 {
			err = fault.New(fault.Internal, "tour_left", "the workspace of the tour could not be deleted")
		}
	}
	if err == nil {
		return cause
	}
	t.f.note("wsctl: %s\n  delete it with: wsctl delete --label %s --force", render.EscapeLine(fault.From(err).Text), t.label)
	if cause != nil {
		return cause
	}
	return err
}
