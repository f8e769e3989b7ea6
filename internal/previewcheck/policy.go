package previewcheck

import (
	"net/url"
	"strings"

	"github.com/wsctl/wsctl/internal/csp"
)

// directive is the first one of that name, which is in lower case, in a header
// Content-Security-Policy; "": none.
func directive(header, name string) string {
	for _, p := range csp.Parse([]string{header}) {
		if d, ok := p.Get(name); ok {
			return d.String()
		}
	}
	return ""
}

// forbids is the first directive that keeps a page at self from connecting to to; "": none
// does (W3C CSP 3, connect-src).
func forbids(policies []string, self, to *url.URL) string {
	for _, p := range csp.Parse(policies) {
		d, ok := p.Get("connect-src")
		if !ok {
			d, ok = p.Get("default-src")
		}
		if ok && !allows(d.Values, self, to) {
			return d.String()
		}
	}
	return ""
}

func allows(sources []string, self, to *url.URL) bool {
	for _, s := range sources {
		s = strings.ToLower(s)
		switch {
		case s == "*":
			return true
		case s == "'self'" && to.Hostname() == self.Hostname() && portOf(to) == portOf(self):
			return true
		case strings.HasPrefix(s, "'"):
		case strings.HasSuffix(s, ":") && schemeFits(strings.TrimSuffix(s, ":"), to.Scheme):
			return true
		case hostFits(s, self, to):
			return true
		}
	}
	return false
}

// schemeFits reports whether a source of a scheme lets connections of another, which may be
// its secure one or that of sockets.
func schemeFits(source, to string) bool {
	switch source {
	case to:
		return true
	case "http":
		return to == "https" || to == "ws" || to == "wss"
	case "https":
		return to == "wss"
	case "ws":
		return to == "wss"
	}
	return false
}

// hostFits matches a source like [scheme://]host[:port][/path].
func hostFits(source string, self, to *url.URL) bool {
	scheme, rest, given := strings.Cut(source, "://")
	if !given {
		scheme, rest = self.Scheme, source
	}
	rest, _, _ = strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(rest, ":")
	if !schemeFits(scheme, to.Scheme) {
		return false
	}
	name := to.Hostname()
	if suffix, wild := strings.CutPrefix(host, "*"); wild {
		if len(suffix) < 2 || !strings.HasSuffix(name, suffix) {
			return false
		}
	} else if host != name {
		return false
	}
	switch {
	case port == "*":
		return true
	case hasPort:
		return port == portOf(to)
	}
	return portOf(to) == portOf(&url.URL{Scheme: to.Scheme})
}
