package intent

import (
	"bytes"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
)

// Bounds of a Sniffer.
const (
	maxHead = 16 << 10    // bytes of a request's head that are kept while it comes in pieces
	restFor = time.Second // after evidence nothing is looked at for so long
)

// Sniffer looks for requests in the bytes that a client sends over one connection, whose
// protocol is not known. It looks only where a piece begins, and not again within a second
// of the last evidence, so that it costs a comparison a piece. The zero value is ready; one
// goroutine uses it.
type Sniffer struct {
	found time.Time
	head  []byte // of a request that has not come whole
	saw   bool
}

// Look takes the next piece that was read and tells what it shows of a person. what names
// the request.
func (s *Sniffer) Look(piece []byte, now time.Time) (e activity.Evidence, what string, ok bool) {
	if len(s.head) > 0 {
		piece = append(s.head, piece...)
	} else if now.Sub(s.found) < restFor || !begins(piece) {
		return "", "", false
	}
	end := bytes.Index(piece, []byte("\r\n\r\n"))
	if end < 0 {
		s.head = nil
		if len(piece) <= maxHead {
			s.head = bytes.Clone(piece)
		}
		return "", "", false
	}
	s.head = nil
	method, path, h, ok := parse(string(piece[:end]))
	if !ok {
		return "", "", false
	}
	s.saw = true
	if e, ok = Evidence(path, h); ok {
		s.found = now
	}
	return e, What(method, path), ok
}

// HTTP reports whether a request has been seen.
func (s *Sniffer) HTTP() bool { return s.saw }

// methods are how requests begin (RFC 9110, 9; RFC 5789).
var methods = []string{"GET /", "POST /", "HEAD /", "PUT /", "DELETE /", "PATCH /", "OPTIONS "}

func begins(piece []byte) bool {
	if len(piece) == 0 || piece[0] < 'D' || piece[0] > 'P' {
		return false
	}
	for _, m := range methods {
		if len(piece) >= len(m) && string(piece[:len(m)]) == m {
			return true
		}
	}
	return false
}

// parse reads as much of a head as the rule needs. OPTIONS is a browser's question to
// itself (CORS), and shows nothing.
func parse(head string) (method, path string, h http.Header, ok bool) {
	line, rest, _ := strings.Cut(head, "\r\n")
	method, target, _ := strings.Cut(line, " ")
	target, version, _ := strings.Cut(target, " ")
	if !strings.HasPrefix(version, "HTTP/1.") || method == http.MethodOptions {
		return "", "", nil, false
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return "", "", nil, false
	}
	h = http.Header{}
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\r\n")
		if name, value, two := strings.Cut(line, ":"); two {
			h.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
		}
	}
	return method, u.Path, h, true
}
