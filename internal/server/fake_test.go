package server

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

var epoch = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// fake is a backend in memory: it owns, numbers, finds and forgets workspaces as the
// engine does, and runs commands that are Go functions.
type fake struct {
	Inside // nil: not asked for
	fakeSecrets
	fakeActivity
	mu         sync.Mutex
	workspaces []workspace.Workspace
	keys       map[string]string // idempotency key -> id
	made       int
	events     []event.Event
	watchers   map[int]chan api.Message
	looking    int // at files
	stale      bool
	fail       error // if set, what Status answers
	panicOn    string
	dryRuns    []bool
	commands   map[string]func(p *fakeProcess) int
	logLines   []workspace.LogLine
	block      chan struct{} // if set, Status waits for it
	lastFilter api.Filter
}

func newFake() *fake {
	return &fake{keys: map[string]string{}, watchers: map[int]chan api.Message{}, commands: map[string]func(*fakeProcess) int{}}
}

// PutUpload takes an archive and keeps nothing.
func (f *fake) PutUpload(_ context.Context, _ workspace.Actor, _ string, archive io.Reader) error {
	_, err := io.Copy(io.Discard, archive)
	return err
}

// write makes lines the whole output.
func (f *fake) write(lines ...workspace.LogLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logLines = lines
}

// add puts a workspace in as if it had been made long ago.
func (f *fake) add(name, owner string) workspace.Workspace {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.put(name, owner)
}

func (f *fake) put(name, owner string) workspace.Workspace {
	f.made++
	w := workspace.Workspace{
		ID: fmt.Sprintf("w%012s", strings.Repeat("a", 11)+string(rune('a'+f.made%26))), Name: name, Owner: owner,
		State: workspace.Running, Desired: workspace.WantRunning, Revision: 1, CreatedAt: epoch, UpdatedAt: epoch,
		Spec: workspace.Spec{Image: "wsd:base", Port: 8080},
	}
	f.workspaces = append(f.workspaces, w)
	slices.SortFunc(f.workspaces, func(a, b workspace.Workspace) int { return strings.Compare(a.Name, b.Name) })
	return w
}

func (f *fake) find(a workspace.Actor, ref string) (int, error) {
	for i, w := range f.workspaces {
		if (w.ID == ref || w.Name == ref) && a.Owns(w) {
			return i, nil
		}
	}
	return 0, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", ref)
}

func (f *fake) Create(_ context.Context, a workspace.Actor, req api.Create, key string) (workspace.Workspace, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if req.Name == "panic" {
		panic("asked for")
	}
	if err := workspace.ValidateName(req.Name); err != nil {
		return workspace.Workspace{}, false, err
	}
	if req.DryRun {
		return workspace.Workspace{Name: req.Name, Owner: a.ID, State: workspace.Creating}, true, nil
	}
	if id, known := f.keys[key]; known && key != "" {
		i, err := f.find(a, id)
		if err != nil {
			return workspace.Workspace{}, false, err
		}
		return f.workspaces[i], false, nil
	}
	w := f.put(req.Name, a.ID)
	if req.Limits.Pids != nil {
		w.Spec.Limits.Pids = *req.Limits.Pids
	}
	if !req.Stopped {
		i, _ := f.find(a, w.ID)
		f.workspaces[i].Job, f.workspaces[i].State = "jaaaaaaaaaaaa", workspace.Creating
		w = f.workspaces[i]
	}
	f.keys[key] = w.ID
	return w, true, nil
}

func (f *fake) Workspace(_ context.Context, a workspace.Actor, ref string) (workspace.Workspace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.find(a, ref)
	if err != nil {
		return workspace.Workspace{}, err
	}
	return f.workspaces[i], nil
}

func (f *fake) Brief(ctx context.Context, a workspace.Actor, filter api.Filter) ([]api.Brief, error) {
	list, err := f.Workspaces(ctx, a, filter)
	var brief []api.Brief
	for _, w := range list {
		brief = append(brief, api.BriefOf(w))
	}
	return brief, err
}

func (f *fake) Workspaces(_ context.Context, a workspace.Actor, filter api.Filter) ([]workspace.Workspace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastFilter = filter
	var list []workspace.Workspace
	for _, w := range f.workspaces {
		if a.Owns(w) && (len(filter.States) == 0 || slices.Contains(filter.States, w.State)) {
			list = append(list, w)
		}
	}
	return list, nil
}

func (f *fake) change(a workspace.Actor, ref string, rev uint64, do func(*workspace.Workspace)) (workspace.Workspace, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := f.find(a, ref)
	if err != nil {
		return workspace.Workspace{}, err
	}
	w := &f.workspaces[i]
	if rev > 0 && rev != w.Revision {
		return workspace.Workspace{}, fault.New(fault.Stale, "revision_stale", "changed")
	}
	do(w)
	w.Revision++
	return *w, nil
}

func (f *fake) Update(_ context.Context, a workspace.Actor, ref string, rev uint64, u api.Update) (workspace.Workspace, error) {
	return f.change(a, ref, rev, func(w *workspace.Workspace) {
		if u.Name != nil {
			w.Name = *u.Name
		}
	})
}

func (f *fake) Command(_ context.Context, a workspace.Actor, ref string, c api.Command) (workspace.Workspace, error) {
	if f.Stale() {
		return workspace.Workspace{}, fault.New(fault.Unavailable, "engine_unreachable", "the engine does not answer").WithRetryAfter(1500 * time.Millisecond)
	}
	return f.change(a, ref, 0, func(w *workspace.Workspace) {
		if c == api.Stop {
			w.Job, w.State = "jaaaaaaaaaaab", workspace.Stopping
		}
	})
}

func (f *fake) Delete(_ context.Context, a workspace.Actor, ref string, rev uint64, force bool) (workspace.Workspace, error) {
	if !force {
		return workspace.Workspace{}, fault.New(fault.Conflict, "not_stopped", "it runs")
	}
	return f.change(a, ref, rev, func(w *workspace.Workspace) { w.State, w.Job = workspace.Deleting, "jaaaaaaaaaaac" })
}

// Logs yields the lines; with Follow it then waits for the context.
func (f *fake) Logs(ctx context.Context, a workspace.Actor, ref string, o workspace.LogOptions, yield func(workspace.LogLine) error) error {
	if _, err := f.Workspace(ctx, a, ref); err != nil {
		return err
	}
	f.mu.Lock()
	written, fail := f.logLines, f.fail
	f.mu.Unlock()
	for _, l := range written {
		if err := yield(l); err != nil {
			return err
		}
	}
	if f.panicOn == "logs" {
		panic("asked for")
	}
	if fail != nil {
		return fail
	}
	if o.Follow {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (f *fake) Exec(ctx context.Context, a workspace.Actor, ref string, e runtime.ExecSpec) (runtime.Process, error) {
	if _, err := f.Workspace(ctx, a, ref); err != nil {
		return nil, err
	}
	f.mu.Lock()
	run := f.commands[e.Command[0]]
	f.mu.Unlock()
	if run == nil {
		return nil, fault.New(fault.NotFound, "command_not_found", "there is no command %.40q", e.Command[0])
	}
	return newFakeProcess(e, run), nil
}

func (f *fake) Usage(ctx context.Context, a workspace.Actor, ref string) (workspace.Usage, error) {
	_, err := f.Workspace(ctx, a, ref)
	return workspace.Usage{Time: epoch, Pids: 3}, err
}

func (f *fake) Jobs(context.Context, workspace.Actor, []workspace.JobState, string) ([]workspace.Job, error) {
	return nil, nil
}

func (f *fake) Job(_ context.Context, _ workspace.Actor, id string) (workspace.Job, error) {
	if id != "jaaaaaaaaaaaa" {
		return workspace.Job{}, fault.New(fault.NotFound, "job_not_found", "there is no job %.60q", id)
	}
	return workspace.Job{ID: id, Kind: workspace.JobStop}, nil
}

func (f *fake) RetryJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error) {
	return f.Job(ctx, a, id)
}

func (f *fake) CancelJob(ctx context.Context, a workspace.Actor, id string) (workspace.Job, error) {
	return f.Job(ctx, a, id)
}

func (f *fake) JobStats(context.Context, workspace.Actor) ([]workspace.JobStats, error) {
	return nil, nil
}

func (f *fake) Ports(context.Context, workspace.Actor) (api.PortList, error) {
	return api.PortList{First: 8000, Last: 8100, Free: 101}, nil
}

func (f *fake) Events(_ context.Context, _ workspace.Actor, after uint64, limit int, _ string) ([]event.Event, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []event.Event
	for _, e := range f.events {
		if e.Seq > after && len(list) < limit {
			list = append(list, e)
		}
	}
	return list, nil
}

func (f *fake) Status(ctx context.Context, a workspace.Actor) (api.Status, error) {
	if f.panicOn == "status" {
		panic("asked for")
	}
	if f.block != nil {
		select {
		case <-f.block:
		case <-ctx.Done():
			return api.Status{}, ctx.Err()
		}
	}
	return api.Status{Version: "test", API: api.Version, Instance: a.ID}, f.fail
}

func (f *fake) Doctor(context.Context, workspace.Actor) ([]api.Check, error) { return nil, nil }

func (f *fake) GC(_ context.Context, _ workspace.Actor, dryRun bool) (api.GC, error) {
	f.dryRuns = append(f.dryRuns, dryRun)
	return api.GC{DryRun: dryRun}, nil
}

// Backup writes two pieces, and fails between them if it has to.
func (f *fake) Backup(_ context.Context, _ workspace.Actor, w io.Writer) error {
	if f.panicOn == "backup" {
		return f.fail
	}
	if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
		return err
	}
	if f.fail != nil {
		return f.fail
	}
	_, err := io.WriteString(w, "end")
	return err
}

func (f *fake) Stale() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stale
}

// catalogue is a template catalogue of one.
type catalogue struct{}

func (catalogue) List() []api.Template {
	return []api.Template{{Name: "static", Title: "Static files"}}
}

func (catalogue) Show(name string) (api.Template, error) {
	if name != "static" {
		return api.Template{}, fault.New(fault.NotFound, "template_not_found", "there is no template %.60q", name)
	}
	return catalogue{}.List()[0], nil
}

func (catalogue) Validate(text []byte) (api.Template, error) {
	name, ok := strings.CutPrefix(string(text), "name = ")
	if !ok {
		return api.Template{}, fault.New(fault.Invalid, "template_invalid", "the template has no name")
	}
	name, err := strconv.Unquote(strings.TrimSpace(name))
	return api.Template{Name: name}, err
}

func (catalogue) ValidateFolder(name string, archive []byte) (api.Template, error) {
	return api.Template{Name: name, Description: string(archive)}, nil
}
