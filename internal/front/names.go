package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Names is the door for names, an http.Handler.
type Names struct {
	door  *Door
	house House
	proxy *httputil.ReverseProxy
}

// route is where a Host leads; port 0 is the workspace's own.
type route struct {
	name string
	port int
}

// parseHost reads NAME.localhost[:N] and PORT.NAME.localhost[:N].
func parseHost(host string) (route, error) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	name, ok := strings.CutSuffix(strings.TrimSuffix(strings.ToLower(host), "."), api.NameSuffix)
	if !ok {
		return route{}, errForeignHost
	}
	var r route
	if first, rest, two := strings.Cut(name, "."); two {
		port, err := strconv.ParseUint(first, 10, 16)
		if err != nil || port == 0 || first[0] == '+' || first[0] == '0' {
			return route{}, errNoSuchHost
		}
		r.port, name = int(port), rest
	}
	if workspace.ValidateName(name) != nil {
		return route{}, errNoSuchHost
	}
	r.name = name
	return r, nil
}

var (
	errForeignHost = errors.New("the host is not below " + api.NameSuffix)
	errNoSuchHost  = errors.New("the host is neither NAME" + api.NameSuffix + " nor PORT.NAME" + api.NameSuffix)
)

// newNames returns the door for names before house.
func newNames(d *Door, house House) *Names {
	n := &Names{door: d, house: house}
	n.proxy = &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			to := target(p.In.Context())
			p.Out.URL.Scheme, p.Out.URL.Host = "http", to.address()
			p.Out.Host = p.In.Host // dev servers compare it with Origin, and make links of it
			p.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:         n.dial,
			DisableCompression:  true, // the client's own wishes are passed on
			MaxIdleConnsPerHost: 32,
			MaxIdleConns:        256,
			IdleConnTimeout:     time.Minute,
			ForceAttemptHTTP2:   false,
		},
		// Events and bodies of unknown length go on as they come, whatever stands here; one of a
		// known length that comes slowly is not held back for longer than this.
		FlushInterval: 10 * time.Millisecond,
		BufferPool:    &buffers{},
		ErrorLog:      slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ErrorHandler:  n.failed,
	}
	return n
}

// buffers are those of bodies on their way. Without them each answer makes one of its own.
type buffers struct{ pool sync.Pool }

// bodyBuffer is what io.Copy uses too, in bytes.
const bodyBuffer = 32 << 10

func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, bodyBuffer)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// destination is a port of one run of a workspace.
type destination struct {
	workspace workspace.Workspace
	port      int
}

// address names the destination in the pool of connections. Another run is another
// address, so no connection of an earlier one is used again.
func (d destination) address() string {
	return d.workspace.ID + "." + d.workspace.Run + ":" + strconv.Itoa(d.port)
}

type destinationKey struct{}

func target(ctx context.Context) destination {
	to, _ := ctx.Value(destinationKey{}).(destination)
	return to
}

// dial connects to what destination.address has named.
func (n *Names) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	id, run, _ := strings.Cut(host, ".")
	return n.house.Reach(ctx, id, run, number)
}

// ServeHTTP carries one request.
func (n *Names) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	to, page := n.find(r)
	if page != nil {
		write(rw, r, page)
		return
	}
	ctx, cancel := context.WithCancelCause(context.WithValue(r.Context(), destinationKey{}, to))
	defer cancel(nil)
	v := n.door.guests.enter(ctx, n.house, to.workspace, activity.HTTP, peerOf(r), func() { cancel(errKicked) })
	defer v.leave()
	v.request(r)
	n.proxy.ServeHTTP(rw, r.WithContext(ctx))
}

// peerOf is where r comes from.
func peerOf(r *http.Request) net.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(at)
}

// find is where r goes, or what to say instead.
func (n *Names) find(r *http.Request) (destination, *preview.Page) {
	to, err := parseHost(r.Host)
	if err != nil {
		return destination{}, n.astray(r, err)
	}
	w, err := n.house.Named(to.name)
	if fault.Is(err, fault.NotFound) {
		return destination{}, &preview.Page{
			Status: http.StatusNotFound, Title: "No workspace " + to.name,
			Text: fmt.Sprintf("there is no workspace %s", to.name), Hint: "see which there are with `wsctl list`",
		}
	}
	if err != nil {
		return destination{}, problem(workspace.Workspace{Name: to.name}, err)
	}
	if w.State != workspace.Initializing || !n.answers(r.Context(), w, to.port) {
		var page *preview.Page
		if w, page = n.door.rouse(r.Context(), n.house, w, r); page != nil {
			return destination{}, page
		}
	}
	if to.port == 0 {
		to.port = w.Spec.Port
	}
	if to.port == 0 {
		return destination{}, &preview.Page{
			Status: http.StatusBadGateway, Title: w.Name + " has no port of its own",
			Text: fmt.Sprintf("workspace %s names no port", w.Name), Items: items(n.house.Offers(r.Context(), w.ID)),
			Hint: "ask for one as PORT." + w.Name + api.NameSuffix,
		}
	}
	return destination{w, to.port}, nil
}

// answers reports whether something inside listens already, though the workspace still
// prepares itself: its lifecycle commands may take long.
func (n *Names) answers(ctx context.Context, w workspace.Workspace, port int) bool {
	if port == 0 {
		port = w.Spec.Port
	}
	c, err := n.house.Reach(ctx, w.ID, w.Run, port)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// astray answers hosts that lead nowhere. Those of others are refused: a page from
// elsewhere could have its own name lead to this machine.
func (n *Names) astray(r *http.Request, err error) *preview.Page {
	hint := "open " + api.NameURL(n.door.NamesAddress(), "NAME", 1, 1) + " with a name of `wsctl list`"
	if errors.Is(err, errForeignHost) && !isHere(r.Host) {
		return &preview.Page{
			Status: http.StatusMisdirectedRequest, Title: "Not served here",
			Text: "this door serves only names below " + api.NameSuffix, Hint: hint,
		}
	}
	return &preview.Page{Status: http.StatusNotFound, Title: "The front door of wsd", Text: "workspaces are served by name", Hint: hint}
}

// isHere reports whether host is the door itself.
func isHere(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), api.NameSuffix) || err == nil && addr.IsLoopback()
}

// errKicked is why a request whose session was ended is not answered.
var errKicked = errors.New("the session of this client was ended with wsctl sessions --kick")

// failed answers a request that could not be carried.
func (n *Names) failed(rw http.ResponseWriter, r *http.Request, err error) {
	to := target(r.Context())
	n.door.log.Debug("cannot carry a request", "workspace", to.workspace.ID, "port", to.port, "err", err)
	page := problem(to.workspace, err)
	switch {
	case errors.Is(context.Cause(r.Context()), errKicked):
		page.Status, page.Text, page.Hint = http.StatusServiceUnavailable, errKicked.Error(), "ask again for a new one"
	case r.Context().Err() != nil:
		return // nobody is there to be told
	case errors.Is(err, syscall.ECONNREFUSED):
		page = unheard(r.Context(), n.house, to.workspace, to.port)
	}
	write(rw, r, page)
}

// young is how long after its start a workspace's own servers may still be on their way.
const young = 20 * time.Second

// silence is what to say when nothing listens on port of w, which offers something else.
func silence(w workspace.Workspace, port int, offers []api.Listening, now time.Time) *preview.Page {
	p := preview.Page{
		Status: http.StatusBadGateway, Title: fmt.Sprintf("Nothing listens on port %d", port), Items: items(offers),
		Text: fmt.Sprintf("workspace %s runs, and nothing inside listens on port %d", w.Name, port),
		Hint: fmt.Sprintf("start your server in `wsctl shell %s`; what listens shows `wsctl ports %s`", w.Name, w.Name),
	}
	if now.Sub(w.StartedAt) < young {
		p.Status, p.Waiting, p.RetryAfter = http.StatusServiceUnavailable, true, comeBack
		p.Title = w.Name + " is starting"
	}
	return &p
}

// items are the ports that can be opened instead.
func items(offers []api.Listening) []preview.Item {
	var out []preview.Item
	for _, o := range offers {
		about := strings.TrimSpace(o.Process + " " + o.Label)
		out = append(out, preview.Item{Name: "port " + strconv.Itoa(o.Port), URL: o.URL, About: about})
	}
	return out
}

func write(rw http.ResponseWriter, r *http.Request, p *preview.Page) {
	h, body := p.Answer(intent.Navigates(r))
	for k, v := range h {
		rw.Header()[k] = v
	}
	rw.WriteHeader(p.Status)
	_, _ = rw.Write(body)
}
