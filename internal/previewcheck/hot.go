package previewcheck

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

const switching = http.StatusSwitchingProtocols

// hot judges whether hot replacement works. It is the last step.
func (l *look) hot() bool {
	d := l.known
	if d.lost != nil {
		l.report.add(*d.lost)
		return false
	}
	if policy := forbids(l.seen.policies, l.at, d.target); policy != "" {
		l.report.fail(onHot, "csp_blocks", fmt.Sprintf("allow it while developing: connect-src 'self' %s://%s", d.target.Scheme, clip(d.target.Host)),
			"the page's Content-Security-Policy (%s) forbids its client to connect to %s", clip(policy), d.Socket)
		return false
	}
	if !l.browser.serves(d.target) {
		code, hint, detail := d.astray(l)
		l.report.fail(onHot, code, hint, "%s, and at %s a browser reaches nothing", detail, d.Socket)
		return false
	}
	switch {
	case d.polls != "":
		l.poll()
	case d.stream:
		l.listen()
	default:
		l.connect()
	}
	return false
}

// origin is that of the page.
func (l *look) origin() string { return l.at.Scheme + "://" + l.at.Host }

// connect opens the client's socket.
func (l *look) connect() {
	d := l.known
	o, err := l.browser.open(l.ctx, d.target, l.origin(), d.protocol, l.times)
	switch {
	case err != nil:
		l.unopened(err)
	case o.status != switching:
		l.refused(o)
	case o.hello == nil && d.says != nil:
		l.report.warn(onHot, "socket_mute", "see the server's output", "%s opens (101), and says nothing within %v", d.Socket, l.times.Hello)
	case d.says != nil:
		if code, hint := d.says(o.hello); code != "" {
			l.report.fail(onHot, code, hint, "%s opens (101), and then says %s", d.Socket, clip(string(o.hello)))
			return
		}
		l.report.ok(onHot, "%s opens (101), and its server says that it is connected", d.Socket)
	default:
		l.report.ok(onHot, "%s opens (101)", d.Socket)
	}
}

// unopened tells of an upgrade without an answer.
func (l *look) unopened(err error) {
	d := l.known
	if errors.Is(err, context.DeadlineExceeded) {
		hint := d.silent
		if hint == "" {
			hint = "see the server's output"
		}
		l.report.fail(onHot, "socket_silent", hint, "the page answers %d, and the upgrade of %s is not answered within %v", l.status, d.Socket, l.times.Part)
		return
	}
	l.report.fail(onHot, "socket_broken", "see the server's output", "the page answers %d, and %s cannot be opened: %s", l.status, d.Socket, clip(err.Error()))
}

// refused tells of an answer that opens nothing.
func (l *look) refused(o *opened) {
	d := l.known
	if d.direct != nil && l.browser.serves(d.direct) {
		if next, err := l.browser.open(l.ctx, d.direct, l.origin(), d.protocol, l.times); err == nil && next.status == switching {
			l.report.warn(onHot, "direct_only", "the page's own address does not pass the socket on", "%s answers %d, and its client goes on with %s, which opens", d.Socket, o.status, d.Direct)
			return
		}
	}
	code, hint, why := "", "", ""
	if d.refused != nil {
		code, hint, why = d.refused(l, o)
	}
	if code == "" {
		code, hint, why = refusedByAny(o)
	}
	l.report.fail(onHot, code, hint, "the page answers %d, and the upgrade of %s %d: %s", l.status, d.Socket, o.status, why)
}

// refusedByAny says what is true of every server.
func refusedByAny(o *opened) (code, hint, why string) {
	switch {
	case o.doors:
		text, hint := doorSays(o.body)
		return "not_reached", hint, text
	case o.status == 400 || o.status == 403:
		return "host_refused", "allow names below .localhost in the settings of your dev server", "Host or Origin not allowed"
	case o.status >= 500:
		return "socket_error", "see the server's output", "the server fails"
	}
	return "not_upgraded", "a server in front of the dev server has to pass upgrades on (ws: true of http-proxy), with their Host", "what answers there opens no WebSocket"
}

// listen opens the client's stream of events.
func (l *look) listen() {
	d := l.known
	a, err := l.browser.get(l.ctx, d.target, asStream, l.times.Part)
	switch {
	case err != nil:
		l.unopened(err)
	case a.status == http.StatusOK && mediaOf(a) == "text/event-stream":
		l.report.ok(onHot, "%s streams its events (200)", d.Socket)
	default:
		l.report.fail(onHot, "no_stream", "a server in front of the dev server has to pass that path on",
			"the page answers %d, and %s %d with %s, which is no stream of events", l.status, d.Socket, a.status, orNothing(clip(mediaOf(a))))
	}
}

func mediaOf(a *answer) string {
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	return media
}

// poll asks a server of socket.io as its client does first.
func (l *look) poll() {
	d := l.known
	u := *d.target
	u.Scheme, u.RawQuery = "http", d.polls
	a, err := l.browser.get(l.ctx, &u, asScript, l.times.Part)
	switch {
	case err != nil:
		l.unopened(err)
	case a.status == http.StatusOK && strings.HasPrefix(string(a.body), "0{"):
		l.report.ok(onHot, "%s opens (200)", d.Socket)
	default:
		l.report.fail(onHot, "not_upgraded", "a server in front of the dev server has to pass that path on",
			"the page answers %d, and %s %d, which opens nothing", l.status, d.Socket, a.status)
	}
}

// elsewhere is for clients whose address nobody has set.
func elsewhere(hint string) func(*look) (code, h, detail string) {
	return func(l *look) (string, string, string) {
		return "client_address", hint, fmt.Sprintf("the client of %s is told another address than the page's", l.known.label)
	}
}
