package previewcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Names of findings.
const (
	onWorkspace = "workspace"
	onDoor      = "front door"
	onPort      = "port"
	onPage      = "page"
	onFrame     = "frame"
	onServer    = "dev server"
	onHot       = "hot replacement"
)

// look is one look at a page. Each step says whether there is something left to look at.
type look struct {
	*Checker
	ctx    context.Context //nolint:containedctx // of this one look, whose steps share it
	actor  workspace.Actor
	w      workspace.Workspace
	report report

	browser *browser
	offers  []api.Listening // what listens inside; nil: unknown
	seen    *page           // nil: there is none
	header  http.Header     // of seen
	at      *url.URL        // where the page is, after redirects; nil: nowhere by name
	known   *devServer      // nil: none that is known
	status  int             // of seen
	scripts string          // what code returns, once it has read
	read    bool
	missed  bool // code has not read all that there is
}

// begin takes the page at path, which is nowhere where the door serves no names, or the
// workspace has no port.
func (l *look) begin(path string) error {
	wrong := fault.New(fault.Invalid, "path_invalid", "the path of a page begins with one /").WithField("?path", "path_invalid", "")
	if path == "" {
		path = "/"
	}
	ref, err := url.Parse(path)
	if err != nil || path[0] != '/' || ref.Host != "" || ref.User != nil {
		return wrong
	}
	base, err := url.Parse(api.NameURL(l.names(), l.w.Name, l.report.Port, l.w.Spec.Port))
	if err != nil || base.Host == "" {
		return nil
	}
	ref.Fragment = ""
	l.at = base.ResolveReference(ref)
	l.report.URL = l.at.String()
	return nil
}

func (l *look) leave() {
	if l.browser != nil {
		l.browser.client.CloseIdleConnections()
	}
}

func (l *look) workspace() bool {
	name, state := l.w.Name, l.w.State
	hint := fmt.Sprintf("a check starts nothing; start it with `wsctl start %s`", name)
	switch state {
	case workspace.Running:
		l.report.ok(onWorkspace, "%s is running", name)
		return true
	case workspace.Initializing:
		l.report.ok(onWorkspace, "%s is being prepared, and what listens already is looked at", name)
		return true
	case workspace.Paused:
		hint = fmt.Sprintf("a check resumes nothing; do it with `wsctl resume %s`", name)
	case workspace.Failed:
		hint = fmt.Sprintf("see why with `wsctl show %s` and `wsctl logs %s`, then `wsctl start %s`", name, name, name)
	case workspace.Creating:
		hint = fmt.Sprintf("wait for it with `wsctl wait %s`", name)
	}
	l.report.fail(onWorkspace, "not_running", hint, "%s is %s", name, state)
	return false
}

func (l *look) address() bool {
	names := l.names()
	switch {
	case names != "" && l.report.Port == 0:
		l.report.fail(onDoor, "no_port", fmt.Sprintf("name one with --port; what listens shows `wsctl ports %s`", l.w.Name), "%s has no port of its own", l.w.Name)
		return false
	case names == "" || l.at == nil:
		l.report.fail(onDoor, "no_names", "see `wsctl config explain front.address` and `wsctl daemon logs`", "workspaces are not served by name now")
		return false
	}
	l.browser = newBrowser(names, l.w)
	conn, err := l.browser.connect(l.ctx, names)
	if err != nil {
		l.report.fail(onDoor, "door_silent", "see `wsctl daemon logs`", "the front door does not answer at %s", names)
		return false
	}
	_ = conn.Close()
	l.report.ok(onDoor, "%s leads to port %d of %s", l.report.URL, l.report.Port, l.w.Name)
	return true
}

func (l *look) listening() bool {
	list, err := l.house.Listening(l.ctx, l.actor, l.w.ID)
	if err != nil {
		return true // without an agent nobody can tell; the page does
	}
	l.offers = append([]api.Listening{}, list.Ports...)
	if i := l.offered(l.report.Port); i >= 0 {
		o := l.offers[i]
		who := o.Process
		if who == "" {
			who = "something"
		}
		l.report.ok(onPort, "%s listens on %s", clip(who), net.JoinHostPort(clip(o.Address), strconv.Itoa(o.Port)))
		return true
	}
	hint := fmt.Sprintf("start your server in `wsctl shell %s`", l.w.Name)
	there := "nor on any other"
	if len(l.offers) > 0 {
		there = "but on " + strings.Join(inWords(l.offers), ", ")
		hint += ", or look at another port with --port"
	}
	l.report.fail(onPort, "not_listening", hint, "nothing inside listens on port %d, %s", l.report.Port, there)
	return false
}

// offered is the index of what listens on a port inside; -1: nothing that is known.
func (l *look) offered(port int) int {
	return slices.IndexFunc(l.offers, func(o api.Listening) bool { return o.Port == port })
}

// inWords names at most so many ports as a sentence bears.
func inWords(offers []api.Listening) []string {
	const most = 8
	var out []string
	for i, o := range offers {
		if i == most {
			return append(out, fmt.Sprintf("%d more", len(offers)-most))
		}
		word := strconv.Itoa(o.Port)
		if o.Process != "" {
			word += " (" + clip(o.Process) + ")"
		}
		out = append(out, word)
	}
	return out
}

// maxRedirects is how many redirects of a page are followed.
const maxRedirects = 5

func (l *look) page() bool {
	for range maxRedirects + 1 {
		a, err := l.browser.get(l.ctx, l.at, asPage, l.times.Page)
		if err != nil {
			l.unanswered(err)
			return false
		}
		next, moved := a.moved(l.at)
		if !moved {
			return l.arrived(a)
		}
		if !l.browser.serves(next) {
			l.report.fail(onPage, "redirect_elsewhere", redirectHint(next, l.at),
				"it redirects to %s, which the front door does not serve", clip(plain(next)))
			return false
		}
		l.at = next
	}
	l.report.fail(onPage, "redirects", "look at its Location headers: `curl -sIL "+l.report.URL+"`", "it redirects more than %d times", maxRedirects)
	return false
}

// redirectHint is for a page that sends its visitor away from the front door.
func redirectHint(to, at *url.URL) string {
	if to.Scheme == "https" && to.Hostname() == at.Hostname() {
		return "turn the redirect to https off while developing: the front door speaks http, and browsers treat names below .localhost as secure"
	}
	return "tell the app that its own address is " + at.Scheme + "://" + at.Host + ", or have it build its redirects from the Host header"
}

// unanswered tells of a request without an answer.
func (l *look) unanswered(err error) {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		l.report.fail(onPage, "page_silent", fmt.Sprintf("see what it does: `wsctl logs %s`, or the terminal in which it runs", l.w.Name),
			"%s was asked for, and nothing came within %v", clip(plain(l.at)), l.times.Page)
	default:
		l.report.fail(onPage, "page_broken", "does it speak HTTP, without TLS, on that port?", "%s was asked for, and the answer is none of HTTP: %s", clip(plain(l.at)), clip(err.Error()))
	}
}

// arrived judges the answer that is no redirect.
func (l *look) arrived(a *answer) bool {
	if a.doors {
		text, hint := doorSays(string(a.body))
		l.report.fail(onPage, "not_reached", hint, "the front door answers %d: %s", a.status, text)
		return false
	}
	l.seen, l.header, l.status = readPage(a), a.header, a.status
	what := fmt.Sprintf("%s answers %d", clip(plain(l.at)), a.status)
	if hint, refused := refusesHost(a, l.w, l.report.Port); refused {
		l.report.fail(onPage, "host_refused", hint, "%s: the server refuses the host %s", what, l.at.Hostname())
		return false
	}
	switch {
	case a.status >= 500:
		l.report.fail(onPage, "page_error", fmt.Sprintf("see its output: `wsctl logs %s`, or the terminal in which it runs", l.w.Name), "%s", what)
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		l.report.warn(onPage, "page_closed", "a login in the browser may open it; what follows was seen without one", "%s", what)
	case a.status >= 400:
		l.report.warn(onPage, "page_status", "name a page that there is with --path", "%s", what)
	case !l.seen.html:
		l.report.warn(onPage, "not_html", "name a page with --path", "%s with %s, which is no page", what, orNothing(clip(a.header.Get("Content-Type"))))
	case a.cut:
		l.report.warn(onPage, "page_cut", "", "%s, and does not end: its first %d bytes are looked at", what, len(a.body))
	default:
		l.report.ok(onPage, "%s with %s", what, clip(a.header.Get("Content-Type")))
	}
	return true
}

func orNothing(s string) string {
	if s == "" {
		return "no Content-Type"
	}
	return s
}

// doorSays parts a plain page of the front door into its sentence and its hint.
func doorSays(body string) (text, hint string) {
	for line := range strings.Lines(body) {
		line = clip(line)
		if s, ok := strings.CutPrefix(line, "wsd: "); ok {
			text = s
		}
		if s, ok := strings.CutPrefix(line, "hint: "); ok {
			hint = s
		}
	}
	return text, hint
}

// plain is u for people: its query may hold secrets, and is left out.
func plain(u *url.URL) string {
	p := *u
	p.RawQuery, p.Fragment, p.User = "", "", nil
	return p.String()
}
