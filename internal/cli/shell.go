package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// shellOptions are the flags of shell.
type shellOptions struct {
	Name, Terminal string
	Command        []string
	View, Alone    bool
	Dir            string
}

// mainTerminal is the terminal of those who name none.
const mainTerminal = "main"

func newShellCmd(f *Factory, runF func(context.Context, *shellOptions) error) *cobra.Command {
	o := &shellOptions{Terminal: mainTerminal}
	if runF == nil {
		runF = func(ctx context.Context, o *shellOptions) error { return runShell(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "shell NAME [TERMINAL] [flags] [-- COMMAND...]",
		Short: "Work in a terminal that stays",
		Long: `Attaches to a terminal inside a workspace, and makes it where there is none of that
name: "main" unless another is given. It runs the user's shell, or COMMAND. The
workspace is started if it sleeps.

The terminal lives in the workspace. It goes on when the connection is lost, when
this program is killed and while wsd restarts; whoever attaches again sees what was
written last. Several people can attach to one terminal: its size is that of the
smallest window of those who type.

At the beginning of a line, ~. leaves the terminal as it is, ~? shows these keys, and
~~ types a tilde. A connection that is lost is made again for up to two minutes.`,
		Example: `  wsctl shell demo
  wsctl shell demo build -- make watch
  wsctl shell demo --view
  wsctl terminals ls demo`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeWorkspaces(f, 1),
		Annotations:       map[string]string{exitNote: "That of the terminal's command when it ends; 0 when the terminal is left and lives on."},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.View, "view", false, "look only: keys are not passed on")
	flags.BoolVar(&o.Alone, "detach-others", false, "detach everybody else from it")
	flags.StringVarP(&o.Dir, "workdir", "w", "", "`FOLDER` inside to start in, where the terminal is new")
	return cmd
}

func (o *shellOptions) parse(cmd *cobra.Command, args []string) error {
	names := args
	if dash := cmd.ArgsLenAtDash(); dash >= 0 {
		names, o.Command = args[:dash], args[dash:]
	}
	if err := takes(1, 2, "one NAME and at most one TERMINAL")(cmd, names); err != nil {
		return err
	}
	o.Name = names[0]
	if len(names) > 1 {
		o.Terminal = names[1]
	}
	if len(o.Command) > 0 {
		return workspace.ValidateCommand(o.Command)
	}
	return nil
}

func runShell(ctx context.Context, f *Factory, o *shellOptions) error {
	if err := nameOrFault(o.Name); err != nil {
		return err
	}
	if !f.Streams.InTTY || !f.Streams.OutTTY {
		return fault.New(fault.Usage, "not_a_terminal", "a shell needs a terminal, and this is none").
			WithHint("in scripts run commands by `wsctl exec %s -- COMMAND`", o.Name)
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	if err := f.wake(ctx, c, o.Name); err != nil {
		return err
	}
	s, err := f.rawTerminal(ctx)
	if err != nil {
		return err
	}
	status, err := s.stay(ctx, c, o)
	s.restore()
	switch {
	case errors.Is(err, errLeft):
		f.note("left; the terminal lives on: wsctl shell %s%s", o.Name, otherTerminal(o.Terminal))
		return nil
	case err != nil:
		return err
	}
	return exitStatus(status)
}

func otherTerminal(name string) string {
	if name == mainTerminal {
		return ""
	}
	return " " + name
}

// wake starts the workspace if it sleeps, and shows how far that is.
func (f *Factory) wake(ctx context.Context, c *client.Client, name string) error {
	w, err := c.Workspace(ctx, name)
	if err != nil {
		return err
	}
	var command api.Command
	switch w.State {
	case workspace.Stopped, workspace.Failed:
		command = api.Start
	case workspace.Paused:
		command = api.Resume
	default:
		return nil
	}
	f.note("%s is %s; starting it", w.Name, w.State)
	if _, err := c.Command(ctx, w.ID, command); err != nil {
		return err
	}
	return nil // attaching waits until it runs
}

// errLeft says that the person has left the terminal.
var errLeft = errors.New("the terminal was left")

// raw is this terminal in raw mode. keys carries what is typed, without the escapes.
type raw struct {
	in, out *os.File
	old     *term.State
	sizes   <-chan [2]uint16
	keys    chan []byte
	left    chan struct{}
	cancel  context.CancelFunc
	leaving sync.Once // closes left
	once    sync.Once // restores
	session string    // of the connection before; owned by stay
	pending []byte    // typed while there was no connection; owned by stay
}

// maxPending bounds what is kept of keys while there is no connection, in bytes.
const maxPending = 4 << 10

// rawTerminal takes the terminal. It is given back by restore, and by a signal that ends
// the program.
func (f *Factory) rawTerminal(ctx context.Context) (*raw, error) {
	in := f.Streams.inFile
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fault.New(fault.Internal, "terminal", "the terminal cannot be put into raw mode").WithCause(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &raw{in: in, out: os.Stdout, old: old, keys: make(chan []byte), left: make(chan struct{}), cancel: cancel}
	r.sizes = sizes(ctx, in)
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		defer signal.Stop(ends)
		select {
		case <-ends:
			r.leave()
		case <-ctx.Done():
		}
	}()
	go r.read()
	return r, nil
}

// restore gives the terminal back: its modes, and what a program inside has switched on
// and could not switch off any more.
func (r *raw) restore() {
	r.once.Do(func() {
		r.cancel()
		const off = "\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1006l\x1b[?2004l\x1b[m"
		_, _ = io.WriteString(r.out, off)
		_ = term.Restore(int(r.in.Fd()), r.old)
		fmt.Fprint(r.out, "\r\n")
	})
}

// leave may be called by a signal and by read at once.
func (r *raw) leave() { r.leaving.Do(func() { close(r.left) }) }

// read passes keys on until the person leaves.
func (r *raw) read() {
	var e escapes
	buf := make([]byte, 4096)
	for {
		n, err := r.in.Read(buf)
		if err != nil {
			r.leave()
			return
		}
		keys, what := e.scan(buf[:n])
		if len(keys) > 0 {
			select {
			case r.keys <- keys:
			case <-r.left:
				return
			}
		}
		switch what {
		case escapeLeave:
			r.leave()
			return
		case escapeHelp:
			_, _ = io.WriteString(r.out, "\r\n  ~.  leave; the terminal lives on\r\n  ~~  type a tilde\r\n  ~?  these keys\r\n")
		}
	}
}

// How long a connection that was lost is made again, and the ceilings of the pauses
// between (full jitter).
const (
	againFor   = 2 * time.Minute
	againFirst = 200 * time.Millisecond
	againMax   = 5 * time.Second
)

// stay attaches, again and again while the connection is lost, until the person leaves or
// the terminal's command ends.
func (r *raw) stay(ctx context.Context, c *client.Client, o *shellOptions) (int, error) {
	lost, pause, told := time.Time{}, againFirst, false
	for {
		began := time.Now()
		status, err := r.attach(ctx, c, o, told)
		if err == nil || errors.Is(err, errLeft) || ctx.Err() != nil || !passing(err) {
			return status, r.explained(ctx, c, o.Name, err)
		}
		if gone := r.explained(ctx, c, o.Name, nil); gone != nil {
			return 0, gone // to attach would start it again
		}
		if time.Since(began) > againMax {
			lost, pause, told = time.Time{}, againFirst, false
		}
		if lost.IsZero() {
			lost = time.Now()
		}
		if time.Since(lost) > againFor {
			return 0, err
		}
		if !told {
			_, _ = io.WriteString(r.out, "\r\n[the connection is lost; connecting again, ~. leaves]\r\n")
			told = true
		}
		select {
		case <-time.After(rand.N(pause)): //nolint:gosec // jitter
		case <-r.left:
			return 0, errLeft
		case keys := <-r.keys:
			r.pending = append(r.pending, keys[:min(len(keys), maxPending-len(r.pending))]...)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		pause = min(2*pause, againMax)
	}
}

// explained is err, or in its place that the workspace has stopped.
func (r *raw) explained(ctx context.Context, c *client.Client, name string, err error) error {
	if ctx.Err() != nil || errors.Is(err, errLeft) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	w, lost := c.Workspace(ctx, name)
	if lost != nil || w.Desired == workspace.WantRunning || w.Stop == nil {
		return err
	}
	why := strings.ReplaceAll(string(w.Stop.Reason), "_", " ")
	if w.Stop.Detail != "" {
		why += ": " + w.Stop.Detail
	}
	return fault.New(fault.Conflict, "workspace_stopped", "workspace %s has stopped (%s)", w.Name, why).
		WithHint("start it again with `wsctl shell %s`; see why with `wsctl why %s`", w.Name, w.Name)
}

// stateTime bounds the question whether a workspace has stopped.
const stateTime = 2 * time.Second

// passing tells whether a lost look at a terminal may come back by itself.
func passing(err error) bool {
	var detached *client.DetachedError
	if errors.As(err, &detached) {
		return fault.From(detached.Err).Code == "too_slow"
	}
	return fault.Is(err, fault.Unavailable)
}

// attach is one connection; again says that it is not the first, so that the screen is
// drawn anew.
func (r *raw) attach(ctx context.Context, c *client.Client, o *shellOptions, again bool) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.left:
			cancel()
		case <-ctx.Done():
		}
	}()
	cols, rows := size(r.in)
	start := api.TerminalStart{View: o.View, Detach: o.Alone, Resume: r.session, ExecStart: api.ExecStart{
		Command: o.Command, Dir: o.Dir, TTY: true, Stdin: !o.View, Env: personal(os.Getenv),
		Cols: uint16(cols), Rows: uint16(rows), //nolint:gosec // columns of a terminal
	}}
	out := &canvas{out: r.out, dirty: again}
	streams := client.ExecStreams{Out: out, Err: out, Resize: r.sizes, Notice: out.notice}
	streams.Session = func(id string) { r.session = id }
	keys := keyReader{ctx: ctx, keys: r.keys, rest: r.pending}
	r.pending = nil
	if o.View {
		streams.Resize = nil
		go func() { _, _ = io.Copy(io.Discard, &keys) }()
	} else {
		streams.In = &keys
	}
	status, err := c.AttachTerminal(ctx, o.Name, o.Terminal, start, streams)
	select {
	case <-r.left:
		return 0, errLeft
	default:
	}
	return status, err
}

// personal are the variables of the person's own terminal that a program inside needs.
func personal(env func(string) string) map[string]string {
	out := map[string]string{}
	for _, k := range []string{"TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR"} {
		if v := env(k); v != "" {
			out[k] = v
		}
	}
	return out
}
