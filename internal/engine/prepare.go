package engine

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/agentlink"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// workDir is where the files of a workspace are inside.
const workDir = "/workspace"

// prepare does what has to be done inside before the command may begin: secrets, files
// and the hooks that are waited for. Each step is repeatable. It reports whether the
// command has begun: after a hook that failed it has not, and the workspace stays up so
// that somebody can look.
func (e *Engine) prepare(ctx context.Context, b *work) (begun bool, err error) {
	if err := e.phase(ctx, b, "start", b.w.Spec.Timeouts.Start, e.agentAnswers); err != nil {
		return false, err
	}
	if b.w.Fetches() {
		if err := e.phase(ctx, b, "create", b.w.Spec.Timeouts.Create, e.fetchSource); err != nil {
			return false, err
		}
	}
	if err := e.giveSecrets(ctx, b.w); err != nil {
		return false, err
	}
	if err := e.settleVariables(ctx, b); err != nil {
		return false, err
	}
	first, rest := hookGroups(b.w)
	if why := e.runHooks(ctx, b, first); why != nil {
		return false, e.hookFailed(ctx, b, *why)
	}
	if err := e.hooksDone(ctx, b, len(rest) == 0); err != nil {
		return false, err
	}
	if err := e.link(b.w).Begin(ctx); err != nil {
		return false, err
	}
	if len(rest) > 0 {
		e.spawn(func() { e.runBeside(b.w, rest) })
	}
	return true, nil
}

// agentAnswers waits until the agent does. Unlike link it looks between two attempts
// whether the container still runs.
func (e *Engine) agentAnswers(ctx context.Context, b *work) error {
	link := agentlink.New(func(ctx context.Context) (net.Conn, error) { return e.cfg.Driver.DialAgent(ctx, ref(b.w)) })
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		_, err := link.Hello(ctx)
		if err == nil {
			return nil
		}
		if _, aerr := e.alive(ctx, b); aerr != nil {
			return aerr
		}
		if !pause(ctx, wait) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// giveSecrets puts the secrets that w wants where it finds them, and nothing else.
func (e *Engine) giveSecrets(ctx context.Context, w workspace.Workspace) error {
	values, err := e.secretsFor(w)
	if err != nil || len(w.Spec.Secrets) == 0 && (w.Spec.Source == nil || w.Prepared) {
		return err
	}
	return e.link(w).Secrets(ctx, values)
}

// hooksDone records that the hooks of a first start have run, if all have.
func (e *Engine) hooksDone(ctx context.Context, b *work, all bool) error {
	if _, failed := b.w.Condition(workspace.HookFailed); !failed && (b.w.Prepared || !all) {
		return nil
	}
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error {
		w.Prepared = w.Prepared || all
		w.DropCondition(workspace.HookFailed)
		return t.put(w)
	})
}

// hookFailed records which hook failed and how.
func (e *Engine) hookFailed(ctx context.Context, b *work, why workspace.Condition) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return e.record(ctx, b, func(t *turn, w *workspace.Workspace) error { return t.note(w, why) })
}

// commandEnd is how a command inside ended, with its last lines.
type commandEnd struct {
	status int
	lines  []string
}

// last is the last line that says something.
func (d commandEnd) last() string {
	if len(d.lines) == 0 {
		return ""
	}
	return d.lines[len(d.lines)-1]
}

// runTold runs a command inside through the agent; tell gets the newest line of its output
// now and then.
func (e *Engine) runTold(ctx context.Context, w workspace.Workspace, start agentapi.ExecStart, tell func(line string)) (commandEnd, error) {
	p, err := e.link(w).Exec(ctx, start)
	if err != nil {
		return commandEnd{}, err
	}
	return follow(ctx, p, tell)
}

// follow waits for the end of a command.
func follow(ctx context.Context, p *agentlink.Process, tell func(line string)) (commandEnd, error) {
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	defer p.Close()
	out := &lastLines{tell: tell}
	if err := p.Copy(out, out); err != nil && ctx.Err() == nil {
		return commandEnd{}, err
	}
	if ctx.Err() != nil {
		return commandEnd{lines: out.all()}, ctx.Err()
	}
	status, err := p.Exit(ctx)
	return commandEnd{status, out.all()}, err
}

// lastLines keeps the last lines of what is written to it. Like output on a terminal, a
// line ends with a line feed or a carriage return.
type lastLines struct {
	tell  func(string)
	keep  int // lines; 0: keptLines
	told  time.Time
	lines []string
	open  strings.Builder
}

// What is kept and told of output.
const (
	keptLines = 20
	keptWidth = 300
	tellEvery = 100 * time.Millisecond
)

// Write implements io.Writer; it never fails.
func (l *lastLines) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			l.end()
		case l.open.Len() < keptWidth:
			l.open.WriteByte(c)
		}
	}
	return len(p), nil
}

func (l *lastLines) end() {
	line := printable(l.open.String())
	l.open.Reset()
	if line == "" {
		return
	}
	l.lines = append(l.lines, line)
	l.lines = l.lines[max(0, len(l.lines)-orDefault(l.keep, keptLines)):]
	if now := time.Now(); l.tell != nil && now.Sub(l.told) >= tellEvery {
		l.told = now
		l.tell(line)
	}
}

func (l *lastLines) all() []string {
	l.end()
	return l.lines
}

// printable takes out of a line what could steer a terminal.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

// line tells watchers the newest line of what a stage prints.
func (e *Engine) line(b *work, stage, text string) {
	e.signal(event.Signal{Time: time.Now(), Kind: event.Progress, Workspace: b.w.ID, Detail: map[string]string{
		"stage": stage, "job": b.job.ID, "kind": string(b.job.Kind), "line": text,
	}})
}

// noAgent words that a workspace cannot be prepared.
func noAgent(w workspace.Workspace, err error) error {
	if !errors.Is(err, rt.ErrNoAgent) {
		return err
	}
	return fault.New(fault.Unsupported, "no_agent", "workspace %s has no agent that could prepare it", w.Name).
		WithHint("its container engine has to run on this machine").WithCause(err)
}
