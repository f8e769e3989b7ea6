package previewcheck

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
)

// devServer is a server whose client in the page is known.
type devServer struct {
	api.DevServer
	label    string   // what people call it
	target   *url.URL // where its client connects to
	direct   *url.URL // where it tries next; nil: nowhere
	protocol string   // subprotocol of its socket
	stream   bool     // the client listens to server-sent events, not to a socket
	polls    string   // a query with which a socket of socket.io is asked over plain HTTP; "": it is a WebSocket
	lost     *api.Check
	// astray says why target is not where a browser reaches anything.
	astray func(l *look) (code, hint, detail string)
	// says judges the first message of a socket that has opened; "" is well.
	says func(hello []byte) (code, hint string)
	// refused says what an answer means that does not open the socket; "" leaves it to
	// what is true of all servers.
	refused func(l *look, o *opened) (code, hint, why string)
	silent  string // hint where the upgrade is not answered
}

// server finds out which one serves the page.
func (l *look) server() bool {
	for _, find := range []func() *devServer{l.vite, l.next, l.browserSync, l.bundled, l.esbuild} {
		if d := find(); d != nil {
			l.known = d
			l.describe(d)
			return true
		}
	}
	l.report.Server = &api.DevServer{Kind: "static"}
	if l.missed {
		l.report.warn(onServer, "scripts_cut", "open the page in a browser and look at its console",
			"none that is known, in as much of the page's scripts as came within %v, at most %d of them and %d MiB", l.times.Part, maxScripts, maxAll>>20)
		return false
	}
	l.report.ok(onServer, "none that is known: the page is static, and shows changes when it is loaded anew")
	return false
}

func (l *look) describe(d *devServer) {
	if d.target != nil {
		d.Socket = clip(plain(d.target))
	}
	if d.direct != nil {
		d.Direct = clip(plain(d.direct))
	}
	l.report.Server = &d.DevServer
	switch {
	case d.target == nil:
		l.report.ok(onServer, "%s", d.label)
	default:
		l.report.ok(onServer, "%s, whose client in the page connects to %s", d.label, d.Socket)
	}
}

// loses is a dev server whose client does not come so far as to connect.
func loses(kind, label, code, hint, detail string) *devServer {
	return &devServer{
		DevServer: api.DevServer{Kind: kind}, label: label,
		lost: &api.Check{Name: onHot, Code: code, Status: statusFail, Detail: detail, Hint: hint},
	}
}

// maxScripts is how many scripts of a page are read.
const maxScripts = 24

// code is the text of the page's scripts, of those that are in it and of the first that it
// loads. It is read once; missed tells whether it is all of them.
func (l *look) code() string {
	if l.read {
		return l.scripts
	}
	l.read = true
	ctx, cancel := context.WithTimeout(l.ctx, l.times.Part)
	defer cancel()
	var b strings.Builder
	b.WriteString(l.seen.inline())
	list := l.loaded()
	l.missed = len(list) > maxScripts
	for _, u := range list[:min(len(list), maxScripts)] {
		if ctx.Err() != nil || l.browser.left <= 0 {
			l.missed = true
			break
		}
		a, err := l.browser.get(ctx, u, asScript, l.times.Part)
		if err != nil {
			l.missed = true
			continue
		}
		if a.status < 300 {
			b.Write(a.body)
			b.WriteByte('\n')
		}
		l.missed = l.missed || a.cut || a.status >= 300 && a.status != http.StatusNotFound
	}
	l.scripts = b.String()
	return l.scripts
}

// loaded are the scripts that the page loads from the workspace, each once.
func (l *look) loaded() []*url.URL {
	var list []*url.URL
	seen := map[string]bool{}
	for _, s := range l.seen.scripts {
		u, err := l.seen.resolve(l.at, s.src)
		if s.src == "" || err != nil || !l.browser.serves(u) || seen[u.String()] {
			continue
		}
		seen[u.String()] = true
		list = append(list, u)
	}
	return list
}

func (l *look) script(u *url.URL) (*answer, error) {
	return l.browser.get(l.ctx, u, asScript, l.times.Part)
}

// isScript reports whether an answer is JavaScript, and not the page that some servers give
// for every path.
func isScript(a *answer) bool {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return a.status < 300 && strings.Contains(media, "javascript")
}

// below is the address of a socket or stream of the page's own server.
func (l *look) below(scheme, path string) *url.URL {
	ref, err := url.Parse(path)
	if err != nil {
		ref = &url.URL{Path: "/"}
	}
	u := l.at.ResolveReference(ref)
	u.Scheme, u.Fragment = scheme, ""
	return u
}
