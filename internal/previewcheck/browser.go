package previewcheck

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// How much a look takes of a workspace, in bytes.
const (
	maxHead  = 64 << 10 // of one answer's head
	maxPage  = 2 << 20
	maxPart  = 6 << 20  // of one script: bundles of development have their sources inside
	maxAll   = 16 << 20 // of all scripts together
	maxHello = 64 << 10 // of a first message
)

// agent is how the browser calls itself. Servers that look at it should take it for one.
const agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 wsd-preview-check"

// browser asks as a page's browser does, and reaches nothing but the front door's names of
// one workspace and its leased port.
type browser struct {
	name   string // of the workspace
	names  string // where the front door serves names
	door   string // its port
	lease  string // port at which the workspace's own is served on this machine; "": none
	client *http.Client
	left   int // bytes that may still be taken of scripts
}

func newBrowser(names string, w workspace.Workspace) *browser {
	b := &browser{name: w.Name, names: names, left: maxAll}
	_, b.door, _ = net.SplitHostPort(names)
	if w.Port != 0 {
		b.lease = strconv.Itoa(w.Port)
	}
	b.client = &http.Client{
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				to, ok := b.route(host, port)
				if !ok {
					return nil, errElsewhere
				}
				return b.connect(ctx, to)
			},
			MaxResponseHeaderBytes: maxHead,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return b
}

var errElsewhere = errors.New("it leads away from the front door")

// route is what a browser on this machine connects to for a host and port, if that is the
// workspace's.
func (b *browser) route(host, port string) (address string, ok bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	switch {
	case port == b.door && b.isName(host):
		return b.names, true
	case b.lease != "" && port == b.lease && (host == "localhost" || host == "127.0.0.1" || b.isName(host)):
		return net.JoinHostPort("127.0.0.1", b.lease), true
	}
	return "", false
}

// isName reports whether host is NAME.localhost or PORT.NAME.localhost.
func (b *browser) isName(host string) bool {
	own := b.name + api.NameSuffix
	label, two := strings.CutSuffix(host, "."+own)
	n, err := strconv.ParseUint(label, 10, 16)
	return host == own || two && err == nil && n > 0 && label[0] != '0'
}

// serves reports whether a browser that is sent to u stays with the workspace.
func (b *browser) serves(u *url.URL) bool {
	_, ok := b.route(u.Hostname(), portOf(u))
	return ok && (u.Scheme == "http" || u.Scheme == "ws")
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https" || u.Scheme == "wss":
		return "443"
	}
	return "80"
}

// connect connects to an address of this machine, from Source where that can be had.
func (b *browser) connect(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	if to, err := netip.ParseAddrPort(address); err == nil && to.Addr().Is4() {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(Source)}
	}
	return d.DialContext(ctx, "tcp", address)
}

// what is asked for, which a browser tells in its headers.
type purpose int

const (
	asPage purpose = iota
	asScript
	asStream
)

// answer is one answer, as much of it as a look takes.
type answer struct {
	status int
	header http.Header
	body   []byte
	cut    bool // there is more of it
	doors  bool // the front door itself gives it
}

// get asks for u. Its requests are those of an open page, not of a person who navigates: they
// are no use of the workspace and wake nothing.
func (b *browser) get(ctx context.Context, u *url.URL, p purpose, within time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	most := maxPage
	r.Header = http.Header{
		"User-Agent": {agent}, "Accept-Language": {"en"}, "Cache-Control": {"no-cache"},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Dest": {"empty"},
	}
	switch p {
	case asPage:
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	case asScript:
		r.Header.Set("Accept", "*/*")
		r.Header.Set("Sec-Fetch-Dest", "script")
		most = min(maxPart, b.left)
	case asStream:
		r.Header.Set("Accept", "text/event-stream")
		most = 0 // it does not end
	}
	res, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	a := &answer{status: res.StatusCode, header: res.Header, doors: b.isDoors(u, res.Header)}
	a.read(res.Body, most)
	if p == asScript {
		b.left -= len(a.body)
	}
	return a, nil
}

// isDoors reports whether an answer from u with this header is the front door's own. Over
// the leased port a workspace may say so itself.
func (b *browser) isDoors(u *url.URL, h http.Header) bool {
	return portOf(u) == b.door && h.Get(api.DoorField) != ""
}

// read takes at most so many bytes of a body; one that breaks off is cut.
func (a *answer) read(body io.Reader, most int) {
	if most <= 0 {
		a.cut = true
		return
	}
	var err error
	a.body, err = io.ReadAll(io.LimitReader(body, int64(most)+1))
	if a.cut = err != nil || len(a.body) > most; len(a.body) > most {
		a.body = a.body[:most]
	}
}

// moved is where an answer from at sends its browser.
func (a *answer) moved(at *url.URL) (*url.URL, bool) {
	if a.status < 300 || a.status > 308 || a.status == http.StatusNotModified {
		return nil, false
	}
	to, err := at.Parse(a.header.Get("Location"))
	if err != nil || a.header.Get("Location") == "" {
		return nil, false
	}
	return to, true
}

// opened is what became of a WebSocket.
type opened struct {
	status int    // of the answer to the upgrade; 101 agrees
	hello  []byte // the first message; nil: none came in time
	body   string // the beginning of an answer that does not agree
	doors  bool   // which the front door itself gives
}

// open opens a WebSocket at u as a page of origin does, waits for its first message and
// closes it. An empty origin is left out, as programs do; it is an open page's all the same.
func (b *browser) open(ctx context.Context, u *url.URL, origin, protocol string, t Times) (*opened, error) {
	h := http.Header{
		"User-Agent": {agent}, "Cache-Control": {"no-cache"},
		"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"websocket"}, "Sec-Fetch-Dest": {"empty"}, // or it may wake
	}
	if origin != "" {
		h.Set("Origin", origin)
	}
	o := &websocket.DialOptions{HTTPClient: b.client, HTTPHeader: h}
	if protocol != "" {
		o.Subprotocols = []string{protocol}
	}
	within, cancel := context.WithTimeout(ctx, t.Part)
	defer cancel()
	conn, res, err := websocket.Dial(within, u.String(), o) //nolint:bodyclose // the library has read it
	if err != nil {
		if res == nil || res.Body == nil || res.StatusCode == http.StatusSwitchingProtocols || within.Err() != nil {
			return nil, err
		}
		said := make([]byte, 1024) // as much as the library keeps
		n, _ := io.ReadFull(res.Body, said)
		return &opened{status: res.StatusCode, body: string(said[:n]), doors: b.isDoors(u, res.Header)}, nil
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxHello)
	waits, stop := context.WithTimeout(ctx, t.Hello)
	defer stop()
	_, hello, err := conn.Read(waits)
	if err != nil {
		hello = nil
	}
	return &opened{status: http.StatusSwitchingProtocols, hello: hello}, nil
}
