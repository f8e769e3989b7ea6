package tui

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	time.Local = time.UTC // clock times in golden files
	os.Exit(m.Run())
}

// noon is the time of all tests.
var noon = time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a Source whose answers are data, and which remembers what it was asked.
type world struct {
	mu      sync.Mutex
	tell    func(Change)
	ready   chan struct{}
	details Details
	refuse  error
	lines   []workspace.LogLine
	orders  []Order
	created []Draft
	notes   []string
	asked   []string // what was streamed or fetched
}

func (w *world) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, fmt.Sprintf(format, args...))
}

func (w *world) Watch(ctx context.Context, tell func(Change)) error {
	w.tell = tell
	close(w.ready)
	<-ctx.Done()
	return ctx.Err()
}

func (w *world) Look(ids []string) { w.note("samples of %s", strings.Join(ids, " ")) }

func (w *world) Logs(ctx context.Context, id string, tell func(workspace.LogLine)) error {
	w.note("logs %s", id)
	for _, l := range w.lines {
		tell(l)
	}
	<-ctx.Done()
	w.note("no logs")
	return ctx.Err()
}

func (w *world) Details(_ context.Context, id string, p Pane) (Details, error) {
	w.note("%s %s", p, id)
	return w.details, w.refuse
}

func (w *world) Templates(context.Context) ([]api.Template, error) {
	return []api.Template{
		{Name: "go", Title: "Go service", Params: []api.Param{
			{Name: "version", Type: "string", Default: "1.26", Options: []string{"1.25", "1.26"}, Description: "of Go"},
			{Name: "port", Type: "int", Default: "8080"},
		}},
		{Name: "static", Title: "Static site"},
	}, nil
}

// accepted is the revision that each order gives its workspace.
const accepted = 10

func before(w *workspace.Workspace) { w.Revision = accepted - 1 }
func later(w *workspace.Workspace)  { w.Revision = accepted + 1 }

func (w *world) Do(_ context.Context, o Order) (Accepted, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orders = append(w.orders, o)
	return Accepted{accepted, w.notes}, w.refuse
}

func (w *world) Create(_ context.Context, d Draft) (Made, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.created = append(w.created, d)
	spec := ws(d.Name, workspace.Creating).Spec
	spec.Template, spec.Image = d.Template, cmp.Or(d.Image, "golang")
	return Made{Workspace: workspace.Workspace{ID: "wnew", Name: d.Name, Spec: spec}, Notes: w.notes}, w.refuse
}

// Folder knows the folders below /src; "." is /src/here.
func (w *world) Folder(path string) (string, error) {
	w.note("folder %s", path)
	switch {
	case path == ".":
		return "/src/here", nil
	case strings.HasPrefix(path, "/src/"), strings.HasPrefix(path, longFolder):
		return path, nil
	}
	return "", fault.New(fault.NotFound, "folder_missing", "there is no folder %s", path)
}

// longFolder has folders with longer paths than fit on a small terminal.
const longFolder = "/srv/projects/of-the-team/with-a-long-name-that-goes-on/and-on/"

// Folders are a few below /src, one below that, and some of longFolder.
func (w *world) Folders(typed string) (found []string) {
	w.note("folders %s", typed)
	all := []string{"/src/api", "/src/app", "/src/app-漢字", "/src/web", "/src/web/public"}
	for i := range 9 {
		all = append(all, fmt.Sprintf("%sservice-%d", longFolder, i))
	}
	for _, path := range all {
		if rest, ok := strings.CutPrefix(path, typed); ok && !strings.Contains(rest, "/") {
			found = append(found, path)
		}
	}
	return found
}

func (w *world) Shell(name string) Visit {
	return func() error { w.note("shell %s", name); return nil }
}

func (w *world) Exec(name string, command []string) Visit {
	return func() error { w.note("exec %s %q", name, command); return nil }
}

func (w *world) Forward(ctx context.Context, id string, p PortPair, tell func(Forwarded)) error {
	if w.refuse != nil {
		return w.refuse
	}
	w.note("forward %s %d:%d", id, p.Local, p.Remote)
	tell(Forwarded{Address: fmt.Sprintf("127.0.0.1:%d", p.Local), Open: 1, Total: 3})
	<-ctx.Done()
	w.note("no forward %s %d", id, p.Remote)
	return ctx.Err()
}

func (w *world) Open(_ context.Context, id string) (string, error) {
	w.note("open %s", id)
	return "http://" + strings.TrimPrefix(id, "w") + ".localhost:7070/", w.refuse
}

func (w *world) Preview(_ context.Context, id string) (string, error) {
	w.note("preview %s", id)
	return "http://preview." + strings.TrimPrefix(id, "w") + ".localhost:7070/", w.refuse
}

// driver is a dashboard without a terminal. Commands run on goroutines, as bubbletea runs
// them, and their messages are taken by until.
type driver struct {
	*Model
	t     *testing.T
	world *world
	msgs  chan tea.Msg
	time  time.Time
}

func drive(t *testing.T, cols, rows int, change ...func(*Options)) *driver {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	d := &driver{t: t, world: &world{ready: make(chan struct{})}, msgs: make(chan tea.Msg, 100), time: noon}
	o := Options{Source: d.world, Out: io.Discard, Theme: "none", Now: func() time.Time { return d.time }, dimensions: [2]int{cols, rows}}
	for _, fn := range change {
		fn(&o)
	}
	d.Model = New(ctx, o)
	d.run(d.Init())
	<-d.world.ready
	return d
}

func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	go func() {
		switch msg := cmd().(type) {
		case nil, tickMsg:
		case tea.BatchMsg:
			for _, c := range msg {
				d.run(c)
			}
		default:
			select {
			case d.msgs <- msg:
			case <-d.ctx.Done():
			}
		}
	}()
}

func (d *driver) send(msg tea.Msg) *driver {
	_, cmd := d.Update(msg)
	d.run(cmd)
	return d
}

// until takes messages until cond holds.
func (d *driver) until(what string, cond func() bool) *driver {
	d.t.Helper()
	limit := time.After(time.Minute)
	again := time.NewTicker(5 * time.Millisecond) // what the world was asked makes no message
	defer again.Stop()
	for !cond() {
		select {
		case <-again.C:
		case msg := <-d.msgs:
			d.send(msg)
		case <-limit:
			d.t.Fatalf("never: %s\n%s", what, d.View())
		}
	}
	return d
}

// shows waits until the screen has a text.
func (d *driver) shows(text string) *driver {
	d.t.Helper()
	return d.until("the screen shows "+text, func() bool { return strings.Contains(d.View(), text) })
}

// keys types words: a name of a key in angle brackets or else single characters.
func (d *driver) keys(words ...string) *driver {
	named := map[string]tea.KeyType{
		"<enter>": tea.KeyEnter, "<esc>": tea.KeyEsc, "<up>": tea.KeyUp, "<down>": tea.KeyDown, "<tab>": tea.KeyTab,
		"<left>": tea.KeyLeft, "<right>": tea.KeyRight, "<backspace>": tea.KeyBackspace, "<end>": tea.KeyEnd, "<ctrl+t>": tea.KeyCtrlT,
		"<ctrl+u>": tea.KeyCtrlU, "<shift+tab>": tea.KeyShiftTab, "<pgup>": tea.KeyPgUp, "<pgdown>": tea.KeyPgDown,
	}
	for _, w := range words {
		if k, ok := named[w]; ok {
			d.send(tea.KeyMsg{Type: k})
			continue
		}
		for _, r := range w {
			if r == ' ' {
				d.send(tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}})
			} else {
				d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
			}
		}
	}
	return d
}

// snapshot tells the dashboard that there are these workspaces, and waits for it.
func (d *driver) snapshot(ws ...workspace.Workspace) *driver {
	d.t.Helper()
	d.world.tell(Change{Reset: true, Put: ws, Link: &Link{Daemon: true, Engine: true, Names: "127.0.0.1:7070", Since: noon}})
	return d.until("the snapshot is taken", func() bool { return d.heard && len(d.list.known) == len(ws) })
}

// known gives samples and a life to those that run, so that all columns are full.
func (d *driver) known() *driver {
	for _, r := range d.list.known {
		if !r.live() {
			continue
		}
		r.act = &api.Activity{Level: activity.Background, StopAt: noon.Add(12 * time.Minute), Cause: activity.ByEngagement, Sessions: 2, Quality: activity.Unstable}
		for i := range 40 {
			r.sample(workspace.Usage{
				Time: noon.Add(time.Duration(i-40) * time.Second), CPUSeconds: float64(i*i) / 50, Memory: int64(20+i*3) << 20,
				MemoryPeak: 200 << 20, MemoryLimit: 256 << 20, Pids: 12,
				Network: &workspace.Traffic{In: int64(i * i * 700), Out: int64(i * 900)}, Disk: &workspace.Traffic{Out: int64(i/10) << 20},
			})
		}
	}
	d.list.arrange()
	return d
}

func whyOf(w workspace.Workspace) api.Why {
	policy, _ := activity.Named("")
	return api.Why{
		Now: noon, Workspace: w, Policy: api.PolicyOf(policy), Level: activity.Background, StopAt: noon.Add(12 * time.Minute), Cause: activity.ByEngagement,
		Facts: activity.Facts{Sessions: 2, Engaged: noon.Add(-18 * time.Minute)},
		Sessions: []activity.Session{
			{ID: "s1", User: "uid:1000", Kind: activity.Terminal, Since: noon.Add(-time.Hour), LastInput: noon.Add(-18 * time.Minute), Quality: activity.Stable, Peer: "unix"},
			{ID: "s2", User: "front-door", Kind: activity.HTTP, Since: noon.Add(-time.Minute), Quality: activity.Unstable, SRTT: 321, Peer: "127.0.0.1:51234"},
		},
		Holds:  []activity.Hold{{ID: "h1", Actor: "uid:1000", Until: noon.Add(10 * time.Minute), Reason: "demo for the team"}},
		Ledger: activity.Ledger{{Kind: activity.Input, Who: "uid:1000", What: "terminal main", Last: noon.Add(-18 * time.Minute), Count: 41}},
		Next:   []api.Transition{{At: noon.Add(7 * time.Minute), What: "warning", Why: "5 minutes are left"}},
	}
}

func ws(name string, state workspace.State, change ...func(*workspace.Workspace)) workspace.Workspace {
	w := workspace.Workspace{
		ID: "w" + name, Name: name, Owner: "uid:1000", State: state, Port: 8000 + len(name), Run: "r1",
		Spec: workspace.Spec{
			Template: "go", Image: "golang:1.26", Command: []string{"go", "run", "."}, Port: 8080, Ready: workspace.ReadyPort, Profile: workspace.Strict,
			Limits: workspace.Limits{CPUs: 2, Memory: 256 << 20, Pids: 512}, Env: map[string]string{"MODE": "dev"},
			Timeouts: workspace.Timeouts{Create: workspace.Duration(10 * time.Minute), Initialize: workspace.Duration(2 * time.Minute), Start: workspace.Duration(time.Minute), Stop: workspace.Duration(10 * time.Second)},
		},
		CreatedAt: noon.Add(-26 * time.Hour), StartedAt: noon.Add(-2 * time.Hour), ReadyAt: noon.Add(-2*time.Hour + 1300*time.Millisecond),
	}
	for _, fn := range change {
		fn(&w)
	}
	return w
}

func labelled(pairs ...string) func(*workspace.Workspace) {
	return func(w *workspace.Workspace) {
		w.Labels = map[string]string{}
		for _, p := range pairs {
			k, v, _ := strings.Cut(p, "=")
			w.Labels[k] = v
		}
	}
}

func crashed(w *workspace.Workspace) {
	w.Stop = &workspace.Stop{Reason: workspace.StoppedByCrash, Detail: "its command ended with status 1", Time: noon.Add(-5 * time.Minute)}
	w.Death = &workspace.Death{ExitCode: 1, PeakMemory: 90 << 20, Log: []string{"panic: no such table: users", "\x1b[31mexit\x1b[0m status 2\x1b]0;title\a"}}
}

// some is a handful of workspaces in different states.
func some() []workspace.Workspace {
	return []workspace.Workspace{
		ws("api", workspace.Running, labelled("team=web", "tier=back")),
		ws("shop", workspace.Running, labelled("team=web")),
		ws("billing-next", workspace.Failed, crashed),
		ws("docs", workspace.Stopped, func(w *workspace.Workspace) {
			w.Stop = &workspace.Stop{Reason: workspace.StoppedByUser, Time: noon.Add(-3 * time.Hour)}
		}),
		ws("night-build", workspace.Paused), ws("new", workspace.Creating, func(w *workspace.Workspace) { w.CreatedAt = noon.Add(-9 * time.Second) }),
	}
}

func many(n int) []workspace.Workspace {
	out := make([]workspace.Workspace, n)
	states := workspace.States()
	for i := range out {
		out[i] = ws(fmt.Sprintf("box-%03d", i), states[i*7%len(states)], labelled(fmt.Sprintf("team=t%d", i%5)))
		out[i].Port = 8000 + i
		out[i].CreatedAt = noon.Add(-time.Duration(i) * time.Hour)
	}
	return out
}

func someEvents(id string) []event.Event {
	at := func(min int) time.Time { return noon.Add(-time.Duration(min) * time.Minute) }
	return []event.Event{
		{Seq: 1, Time: at(130), Kind: event.WorkspaceCreated, Actor: "uid:1000", Workspace: id, Detail: map[string]string{"template": "go", "port": "8003"}},
		{Seq: 2, Time: at(121), Kind: event.CommandAccepted, Actor: "uid:1000", Workspace: id, Detail: map[string]string{"command": "start"}},
		{Seq: 3, Time: at(120), Kind: event.WorkspaceState, Actor: "wsd", Workspace: id, Detail: map[string]string{"from": "initializing", "to": "running"}},
		{Seq: 4, Time: at(120), Kind: event.JobEnded, Actor: "wsd", Workspace: id, Detail: map[string]string{"job": "j1", "kind": "start", "state": "completed"}},
	}
}

var errDenied = fault.New(fault.Conflict, "state", "api is stopping and cannot be started").WithHint("wait until it has stopped")

// golden compares a screen with its file. Every line must fit the terminal.
func golden(t *testing.T, name, got string) {
	t.Helper()
	var trimmed []string
	for _, line := range strings.Split(got, "\n") {
		trimmed = append(trimmed, strings.TrimRight(line, " "))
	}
	got = strings.Join(trimmed, "\n") + "\n"
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil { //nolint:gosec // not secret
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see with -update:\n%s", path, got)
	}
}
