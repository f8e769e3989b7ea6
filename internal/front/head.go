package front

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/preview"
)

// Fields that are not passed on, for http.Header.WriteSubset.
var (
	// ofAnswer are those that concern one connection alone (RFC 9110, 7.6.1), those that
	// frame a message, and the one by which the door tells its own answers.
	ofAnswer = map[string]bool{
		"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
		"Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Host": true, "Content-Length": true,
		api.DoorField: true,
	}
	// ofRequest are also what the door alone says of a request's way.
	ofRequest = with(ofAnswer, "Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto")
)

func with(names map[string]bool, more ...string) map[string]bool {
	all := maps.Clone(names)
	for _, name := range more {
		all[name] = true
	}
	return all
}

// writeFields writes h without the fields of except and those that Connection names, which
// it takes out of h.
func writeFields(w io.Writer, h http.Header, except map[string]bool) {
	for _, list := range h["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			h.Del(textproto.TrimString(name))
		}
	}
	_ = h.WriteSubset(w, except) // who writes more meets an error of w again
}

// hasToken reports whether a list of tokens holds one, in any case of its letters.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(one), token) {
				return true
			}
		}
	}
	return false
}

// upgradeOf is the protocol that a head offers to go on with; "": none.
func upgradeOf(h http.Header) string {
	if hasToken(h["Connection"], "upgrade") {
		return h.Get("Upgrade")
	}
	return ""
}

// wrong says why a request that could be parsed is not carried; nil: it is. It refuses what
// the server of net/http refuses, and what is no request to a server.
func wrong(r *http.Request) *preview.Page {
	switch {
	case r.ProtoMajor != 1:
		return malformed(http.StatusHTTPVersionNotSupported, "only HTTP/1.1 is spoken here")
	case r.Method == http.MethodConnect:
		return malformed(http.StatusMethodNotAllowed, "CONNECT leads nowhere here")
	case r.Host == "" && r.ProtoAtLeast(1, 1):
		return malformed(http.StatusBadRequest, "the request names no host")
	case strings.ContainsFunc(r.Host, isNoHost):
		return malformed(http.StatusBadRequest, "the host of the request is none")
	case len(r.Header["Expect"]) > 0 && !hasToken(r.Header["Expect"], "100-continue"):
		return malformed(http.StatusExpectationFailed, "the request expects what nobody here knows")
	case r.URL.Opaque != "" || !strings.HasPrefix(r.URL.Path, "/") && r.URL.Path != "*" && (r.URL.Path != "" || r.URL.Host == ""):
		return malformed(http.StatusBadRequest, "the target of the request is none")
	}
	for name := range r.Header {
		if strings.Contains(name, " ") { // the one thing that net/textproto lets through
			return malformed(http.StatusBadRequest, "a field of the request has a space in its name")
		}
	}
	return nil
}

// isNoHost reports whether no name or address has c (RFC 3986, 3.2.2).
func isNoHost(c rune) bool {
	return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("-._~!$&'()*+,;=:%[]", c)
}

func malformed(status int, text string) *preview.Page {
	return &preview.Page{Status: status, Title: http.StatusText(status), Text: text}
}

// appendRequest writes the head with which r goes inside, with what the door says of its
// way. upgrade is the protocol that it offers; "": none.
func appendRequest(head []byte, r *http.Request, from, upgrade string) []byte {
	h := r.Header
	trailers := hasToken(h["Te"], "trailers")
	b := bytes.NewBuffer(head[:0])
	line(b, r.Method, " ", r.URL.RequestURI(), " HTTP/1.1")
	line(b, "Host: ", r.Host)
	writeFields(b, h, ofRequest)
	line(b, "X-Forwarded-For: ", from)
	line(b, "X-Forwarded-Host: ", r.Host)
	line(b, "X-Forwarded-Proto: http")
	if trailers {
		line(b, "Te: trailers")
	}
	if upgrade != "" {
		line(b, "Connection: Upgrade")
		line(b, "Upgrade: ", upgrade)
	}
	switch {
	case r.ContentLength < 0:
		line(b, "Transfer-Encoding: chunked")
	case r.ContentLength > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch:
		line(b, "Content-Length: ", strconv.FormatInt(r.ContentLength, 10))
	}
	line(b)
	return b.Bytes()
}

type stringWriter interface{ WriteString(s string) (int, error) }

func line(w stringWriter, parts ...string) {
	for _, s := range parts {
		_, _ = w.WriteString(s)
	}
	_, _ = w.WriteString("\r\n")
}

// statusLine begins an answer to r in the version that it asked in.
func statusLine(w *bufio.Writer, r *http.Request, status int) {
	version := "HTTP/1.1 "
	if !r.ProtoAtLeast(1, 1) {
		version = "HTTP/1.0 "
	}
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	line(w, version, strconv.Itoa(status), " ", text)
}

// connection tells the client whether the connection goes on.
func connection(w *bufio.Writer, r *http.Request, goesOn bool) {
	switch {
	case !goesOn:
		line(w, "Connection: close")
	case !r.ProtoAtLeast(1, 1):
		line(w, "Connection: keep-alive")
	}
}

// wholeHead reports whether in has a whole head already.
func wholeHead(in *bufio.Reader) bool {
	b, _ := in.Peek(in.Buffered())
	return bytes.Contains(b, []byte("\r\n\r\n"))
}
