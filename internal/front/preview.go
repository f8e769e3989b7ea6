package front

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The page at preview.NAME.localhost, and what is done for the frames in it. Whoever can
// connect to the door may ask for all of it, so it tells no more than the door's other
// pages do, and does no more than a request to the workspace does.

// statusTime is how long a page may take to read a piece of what is told to it.
const statusTime = 30 * time.Second

var (
	errSlow = errors.New("the page does not read")
	errStop = errors.New("there is no more to tell")
)

// previews are the preview pages that are open, by the id of their workspace.
type previews struct {
	mu   sync.Mutex
	open map[string]int
}

// enter counts a page until leave is called.
func (p *previews) enter(id string) (leave func()) {
	p.add(id, 1)
	return func() { p.add(id, -1) }
}

func (p *previews) add(id string, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		p.open = make(map[string]int)
	}
	if p.open[id] += n; p.open[id] <= 0 {
		delete(p.open, id)
	}
}

func (p *previews) isOpen(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open[id] > 0
}

// isFramed reports whether r asks for a document in a frame of a preview page of the
// workspace. Frames of the workspace's own pages cannot be told from those while one is open.
func (d *Door) isFramed(r *http.Request, id string) bool {
	if dest := r.Header["Sec-Fetch-Dest"]; len(dest) != 1 || dest[0] != "iframe" || r.Method != http.MethodGet && r.Method != http.MethodPost {
		return false
	}
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "same-site" || site == "same-origin") && d.previews.isOpen(id)
}

// shellOf is the origin of the preview page of the workspace whose host, or that of one of
// its ports, is host.
func shellOf(host, name string) string {
	_, number, _ := strings.Cut(host, ":")
	page := api.PreviewURL(net.JoinHostPort("", cmp.Or(number, "80")), name, nil)
	return strings.TrimSuffix(page, "/")
}

// ownPath answers what the door itself has on the hosts of workspaces.
func (c *caller) ownPath(r *http.Request) (goesOn, answered bool) {
	switch r.URL.Path {
	case preview.HelperPath:
		h, body := preview.Helper()
		return c.tell(r, http.StatusOK, h, body), true
	case preview.ClearPath:
		return c.clear(r), true
	}
	return false, false
}

// clear has a browser forget what it keeps, for pages of the same site alone: any other
// could log people out.
func (c *caller) clear(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "same-site" && site != "same-origin" {
		return c.show(r, refused("only a page of the same site may ask for that"))
	}
	h, ok := preview.Cleared(r.URL.RawQuery)
	if !ok {
		return c.show(r, malformed(http.StatusBadRequest, "the query is cookies or storage"))
	}
	return c.tell(r, http.StatusNoContent, h, nil)
}

// preview serves the preview page of the workspace name.
func (c *caller) preview(r *http.Request, name string) bool {
	w, err := c.house.Named(name)
	switch {
	case fault.Is(err, fault.NotFound):
		return c.show(r, noWorkspace(name))
	case err != nil:
		return c.show(r, problem(workspace.Workspace{Name: name}, err))
	case r.URL.Path == preview.ActPath:
		return c.act(r, w)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return c.show(r, malformed(http.StatusMethodNotAllowed, "the preview page is only read"))
	case r.URL.Path == preview.StatusPath && r.Method == http.MethodGet:
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
			return c.show(r, refused("another page may not read that"))
		}
		return c.status(r, w)
	}
	if e, ok := intent.Evidence(r.URL.Path, r.Header); ok && r.URL.Path == "/" {
		c.engage(w, e)
	}
	h, body, ok := preview.Shell(w.Name, strings.TrimPrefix(strings.ToLower(r.Host), preview.HostPrefix), r.URL.Path)
	if !ok {
		return c.show(r, malformed(http.StatusNotFound, "the preview page has no such file"))
	}
	return c.tell(r, http.StatusOK, h, body)
}

func refused(text string) *preview.Page { return malformed(http.StatusForbidden, text) }

// act takes that somebody uses a workspace in its preview page, which no other page may say.
func (c *caller) act(r *http.Request, w workspace.Workspace) bool {
	switch {
	case r.Method != http.MethodPost:
		return c.show(r, malformed(http.StatusMethodNotAllowed, "that is only told, by POST"))
	case !strings.EqualFold(r.Header.Get("Origin"), "http://"+r.Host):
		return c.show(r, refused("only the preview page itself says that"))
	}
	c.engage(w, activity.Visible)
	return c.tell(r, http.StatusNoContent, preview.Done(), nil)
}

// engage tells a workspace that runs that somebody uses its preview page.
func (c *caller) engage(w workspace.Workspace, e activity.Evidence) {
	if w.State != workspace.Running {
		return
	}
	v := c.door.guests.enter(c.ctx, c.house, w, activity.HTTP, c.from, func() {})
	v.engage(e, "the preview page")
	v.leave()
}

// status tells a preview page what its workspace is at, until either goes away.
func (c *caller) status(r *http.Request, w workspace.Workspace) bool {
	defer c.door.previews.enter(w.ID)()
	c.alone()
	c.watch()
	c.begun.Store(true)
	statusLine(c.out, r, http.StatusOK)
	_ = preview.Stream().Write(c.out)
	line(c.out, "Connection: close")
	line(c.out)
	line(c.out, "retry: 1000")
	t := teller{caller: c, status: preview.Status{ID: w.ID}}
	err := c.house.Watch(c.ctx, doorActor, -1, w.ID, t.take)
	t.visit.leave()
	c.door.log.Debug("a preview page is told no more", "workspace", w.ID, "err", err)
	c.alone()
	_ = c.out.Flush()
	return false
}

// teller keeps a preview page up to date. An open page is a session, which shows nothing of
// a person by itself. Its methods belong to one goroutine.
type teller struct {
	*caller
	status preview.Status
	told   string
}

// take brings the status up to a message of the engine, and tells it if it is another.
func (t *teller) take(m api.Message) error {
	switch {
	case m.Type == "hello":
		return nil
	case m.Type == "resync":
		return errStop // the page asks again
	case m.Type == "ping":
		return t.send(": quiet\n\n")
	case m.Type == "snapshot":
		i := slices.IndexFunc(m.Workspaces, func(w workspace.Workspace) bool { return w.ID == t.status.ID })
		if i < 0 {
			return t.gone()
		}
		t.row(m.Workspaces[i])
	case m.Event != nil && m.Event.Kind == event.WorkspaceDeleted:
		return t.gone()
	case m.Workspace != nil:
		t.row(*m.Workspace)
	case m.Signal != nil:
		t.signal(*m.Signal)
	}
	return t.tellStatus()
}

func (t *teller) gone() error {
	t.status.State = "deleted"
	return errors.Join(t.tellStatus(), errStop)
}

func (t *teller) row(w workspace.Workspace) {
	s := &t.status
	if s.State != string(w.State) || s.Run != w.Run {
		s.Stage, s.Share, s.Ports = "", 0, nil
		if w.State == workspace.Running {
			s.Ports = t.house.Offers(t.ctx, w.ID)
			t.visit.leave()
			t.attend(w)
		}
	}
	s.Start = w.StartedAt
	s.Name, s.State, s.Run, s.Own, s.Wakes = w.Name, string(w.State), w.Run, w.Spec.Port, w.Spec.Wake != workspace.WakeOff
	s.Why = ""
	switch {
	case w.Stop == nil || w.State != workspace.Stopped:
	case w.Stop.Reason == workspace.StoppedByUser:
		s.Why = "somebody stopped it"
	default:
		s.Why = w.Stop.Detail
	}
}

func (t *teller) signal(g event.Signal) {
	s := &t.status
	switch g.Kind {
	case event.Progress:
		s.Stage, s.Share = g.Detail["stage"], share(g.Detail["current"], g.Detail["total"])
	case event.PortOpened, event.PortClosed:
		s.Ports = t.house.Offers(t.ctx, s.ID)
	}
}

// share is how much of total is done, in per cent; 0 where that is not known.
func share(current, total string) int {
	n, err := strconv.ParseFloat(current, 64)
	of, err2 := strconv.ParseFloat(total, 64)
	if err != nil || err2 != nil || of <= 0 || n < 0 {
		return 0
	}
	return int(min(100, 100*n/of))
}

// tellStatus sends the status unless the page has it.
func (t *teller) tellStatus() error {
	t.status.Level, t.status.StopAt = "", time.Time{}
	for use := range maps.Values(t.house.Uses(t.status.ID)) {
		t.status.Level, t.status.StopAt = string(use.Level), use.StopAt
	}
	b, err := json.Marshal(t.status)
	if err != nil || string(b) == t.told {
		return err
	}
	t.told = string(b)
	return t.send("data: " + t.told + "\n\n")
}

func (t *teller) send(text string) error {
	if err := context.Cause(t.ctx); err != nil {
		return err
	}
	_ = t.outer.SetWriteDeadline(time.Now().Add(statusTime))
	_, _ = t.out.WriteString(text)
	if t.out.Flush() != nil {
		return errSlow
	}
	return nil
}
