package front

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// route is where a Host leads; port 0 is the workspace's own.
type route struct {
	name    string
	port    int
	preview bool // to the page that frames the workspace
}

// parseHost reads NAME.localhost[:N], PORT.NAME.localhost[:N] and preview.NAME.localhost[:N].
func parseHost(host string) (route, error) {
	host, number, _ := strings.Cut(host, ":")
	if strings.Trim(number, "0123456789") != "" {
		return route{}, errNoSuchHost
	}
	name, ok := strings.CutSuffix(strings.TrimSuffix(strings.ToLower(host), "."), api.NameSuffix)
	if !ok {
		return route{}, errForeignHost
	}
	var r route
	if rest, ok := strings.CutPrefix(name, preview.HostPrefix); ok {
		r.preview, name = true, rest
	} else if first, rest, two := strings.Cut(name, "."); two {
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
	errNoSuchHost  = errors.New("the host is none of NAME" + api.NameSuffix + ", PORT.NAME" + api.NameSuffix + " and preview.NAME" + api.NameSuffix)
)

// find is where r goes, which leads to to, or what to say instead.
func (c *caller) find(r *http.Request, to route) (destination, *preview.Page) {
	w, err := c.house.Named(to.name)
	if fault.Is(err, fault.NotFound) {
		return destination{}, noWorkspace(to.name)
	}
	if err != nil {
		return destination{}, problem(workspace.Workspace{Name: to.name}, err)
	}
	if w.State != workspace.Running {
		c.watch() // the rest may take long
	}
	if w.State != workspace.Initializing || !c.answers(w, to.port) {
		var page *preview.Page
		if w, page = c.door.rouse(c.ctx, c.house, w, r); page != nil {
			return destination{}, page
		}
	}
	if to.port == 0 {
		to.port = w.Spec.Port
	}
	if to.port == 0 {
		return destination{}, &preview.Page{
			Status: http.StatusBadGateway, Title: w.Name + " has no port of its own",
			Text: fmt.Sprintf("workspace %s names no port", w.Name), Items: items(c.house.Offers(c.ctx, w.ID)),
			Hint: "ask for one as PORT." + w.Name + api.NameSuffix,
		}
	}
	return destination{w, to.port}, nil
}

func noWorkspace(name string) *preview.Page {
	return &preview.Page{
		Status: http.StatusNotFound, Title: "No workspace " + name,
		Text: fmt.Sprintf("there is no workspace %s", name), Hint: "see which there are with `wsctl list`",
	}
}

// answers reports whether something inside listens already, though the workspace still
// prepares itself: its lifecycle commands may take long.
func (c *caller) answers(w workspace.Workspace, port int) bool {
	if port == 0 {
		port = w.Spec.Port
	}
	conn, err := c.house.Reach(c.ctx, w.ID, w.Run, port)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// astray answers hosts that lead nowhere. Those of others are refused: a page from
// elsewhere could have its own name lead to this machine.
func (c *caller) astray(r *http.Request, err error) *preview.Page {
	hint := "open " + api.NameURL(c.door.NamesAddress(), "NAME", 1, 1) + " with a name of `wsctl list`"
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
