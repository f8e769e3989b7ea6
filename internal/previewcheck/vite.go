package previewcheck

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
)

// viteClient is what the values mean that Vite writes into its client (vite 3 to 8,
// src/client/client.ts). Empty values leave a choice to the page.
type viteClient struct {
	base, protocol, host, port, path, direct, token string
}

const jsString = `("(?:[^"\\\n]|\\.)*"|null|undefined)`

var (
	viteProtocol = regexp.MustCompile(`\bsocketProtocol\s*=\s*` + jsString + `\s*\|\|`)
	vitePort     = regexp.MustCompile(`\bhmrPort\s*=\s*(?:"?(\d+)"?|null|undefined)`)
	viteHost     = regexp.MustCompile("\\bsocketHost\\s*=\\s*`\\$\\{\\s*" + jsString + "\\s*\\|\\|[^`]*?\\$\\{\\s*" + jsString + "\\s*\\}`")
	viteDirect   = regexp.MustCompile(`\bdirectSocketHost\s*=\s*` + jsString)
	viteToken    = regexp.MustCompile(`\bwsToken\s*=\s*` + jsString)
	viteBase     = regexp.MustCompile(`\bbase(?:\$\d)?\s*=\s*` + jsString + `\s*\|\|`)
	viteImport   = regexp.MustCompile(`["']([^"'\s]*/@vite/client)["']`)
)

// parseViteClient reads a client; ok is false for what is none.
func parseViteClient(js string) (v viteClient, ok bool) {
	m := near(js, "socketHost", viteHost)
	if m == nil {
		return v, false
	}
	v.host, v.path = literal(m[1]), literal(m[2])
	v.port = group(js, "hmrPort", vitePort)
	v.protocol = literal(group(js, "socketProtocol", viteProtocol))
	v.direct = literal(group(js, "directSocketHost", viteDirect))
	v.base = literal(group(js, "directSocketHost", viteBase)) // it stands behind
	v.token = literal(group(js, "wsToken", viteToken))
	return v, true
}

// literal is the value of a string of JavaScript as JSON.stringify writes it; "" for null.
func literal(raw string) string {
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return ""
	}
	return s
}

// target is where the client connects to that was loaded from at.
func (v viteClient) target(at *url.URL) (*url.URL, error) {
	protocol, host, port := v.protocol, v.host, v.port
	if protocol == "" {
		protocol = "ws"
	}
	if host == "" {
		host = at.Hostname()
	}
	if port == "" {
		port = at.Port()
	}
	return v.socket(protocol, host+":"+port+v.path)
}

// socket is an address as the client builds them.
func (v viteClient) socket(protocol, rest string) (*url.URL, error) {
	u, err := url.Parse(protocol + "://" + rest)
	if err != nil {
		return nil, err
	}
	if v.token != "" {
		u.RawQuery = url.Values{"token": {v.token}}.Encode()
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// vite finds Vite, and what is built on it, by its client.
func (l *look) vite() *devServer {
	src, named := l.viteSource()
	u, err := l.seen.resolve(l.at, src)
	if err != nil {
		return nil
	}
	if !l.browser.serves(u) {
		return loses("vite", "Vite", "client_elsewhere",
			fmt.Sprintf("set server.origin of Vite to http://PORT.%s%s:%s, with the port on which it listens inside", l.w.Name, api.NameSuffix, l.browser.door),
			fmt.Sprintf("the page loads Vite's client from %s, which a browser does not reach", clip(plain(u))))
	}
	a, err := l.script(u)
	if err != nil || !isScript(a) {
		if named {
			return loses("vite", "Vite", "client_missing", "a server in front of Vite has to pass on /@vite/client and all below its base",
				fmt.Sprintf("the page loads Vite's client, and there is none at %s", clip(plain(u))))
		}
		return nil
	}
	v, ok := parseViteClient(string(a.body))
	if !ok {
		if named {
			return loses("vite", "Vite", "client_unknown", "open the page in a browser and look at its console",
				"the client is of a version of Vite that is not known here")
		}
		return nil
	}
	return l.viteServer(v, u)
}

// viteSource is where the page loads Vite's client from, or where it usually is.
func (l *look) viteSource() (src string, named bool) {
	if i := slices.IndexFunc(l.seen.scripts, func(s script) bool { return strings.HasSuffix(cutQuery(s.src), "/@vite/client") }); i >= 0 {
		return l.seen.scripts[i].src, true
	}
	if given := group(l.seen.inline(), "/@vite/client", viteImport); given != "" {
		return given, true
	}
	return "/@vite/client", false
}

func cutQuery(s string) string {
	before, _, _ := strings.Cut(s, "?")
	return before
}

func (l *look) viteServer(v viteClient, at *url.URL) *devServer {
	d := &devServer{
		DevServer: api.DevServer{Kind: "vite", Base: clip(v.base)}, label: "Vite", protocol: "vite-hmr",
		astray: v.astray, says: saysConnected, refused: refusedByVite,
		silent: "Vite answers a socket only at its own path (base, and server.ws.path): a proxy inside may change it",
	}
	var err error
	if d.target, err = v.target(at); err != nil {
		return loses("vite", "Vite", "client_address", "look at server.ws (server.hmr before Vite 8.1)", "its client is given an address that is none")
	}
	if v.port == "" && v.direct != "" {
		d.direct, _ = v.socket(d.target.Scheme, v.direct)
	}
	return d
}

// astray tells which setting leads the client where a browser reaches nothing.
func (v viteClient) astray(l *look) (code, hint, detail string) {
	setting := func(name string) string { return "server.ws." + name + " (server.hmr." + name + " before Vite 8.1)" }
	port, _ := strconv.Atoi(v.port)
	switch {
	case v.protocol != "" && v.protocol != "ws":
		return "client_protocol", "remove " + setting("protocol"), fmt.Sprintf("the client is told to use %s, and the front door speaks ws", clip(v.protocol))
	case v.host != "":
		return "client_host", "remove " + setting("host"), fmt.Sprintf("the client is told to connect to the host %s", clip(v.host))
	case v.ownSocket(l.report.Port, port) && l.offers != nil && l.offered(port) < 0:
		return "hmr_port_silent", "remove " + setting("port") + ", so that the socket shares the port of the page",
			fmt.Sprintf("the client is told of a socket server on port %d, and nothing inside listens there", port)
	case v.ownSocket(l.report.Port, port):
		return "hmr_port", "remove " + setting("port") + ", so that the socket shares the port of the page; in middleware mode give your HTTP server as " + setting("server"),
			fmt.Sprintf("the client is told of a socket server with a port of its own, %d; a browser would reach that port at %d.%s%s:%s alone",
				port, port, l.w.Name, api.NameSuffix, l.browser.door)
	}
	return "client_port", fmt.Sprintf("remove %s, or set it to %s", setting("clientPort"), l.browser.door), fmt.Sprintf("the client is told to connect to port %d", port)
}

// middlewarePort is where Vite's socket server listens in middleware mode, if nothing else
// is said (vite, src/node/server/ws.ts).
const middlewarePort = 24678

// ownSocket reports whether port is that of a server for the socket alone, apart from the
// page's at page.
func (v viteClient) ownSocket(page, port int) bool {
	host, _, _ := strings.Cut(v.direct, "/")
	_, inner, err := net.SplitHostPort(host)
	return port == middlewarePort || err == nil && inner == v.port && port != page
}

// saysConnected wants Vite's first message.
func saysConnected(hello []byte) (code, hint string) {
	var m struct{ Type string }
	if json.Unmarshal(hello, &m) != nil || m.Type == "" {
		return "socket_strange", "is it Vite that answers there? see its output"
	}
	return "", ""
}

// refusedByVite tells a host that is refused from a token: who sends no Origin is asked for
// none.
func refusedByVite(l *look, o *opened) (code, hint, why string) {
	if o.status != 400 && o.status != 403 {
		return "", "", ""
	}
	again, err := l.browser.open(l.ctx, l.known.target, "", l.known.protocol, l.times)
	if err == nil && again.status == switching {
		return "token_refused", "load the page anew without the cache; a proxy inside has to pass on the query of the socket's address",
			"the token of its client is refused"
	}
	return "host_refused", hostsOfVite, "Host not allowed"
}
