package previewcheck

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
)

var (
	// The client of webpack-dev-server (4 to 6) is told of its socket in the query of its
	// module's name, which stands in the bundle.
	webpackQuery = regexp.MustCompile(`\?(protocol=[a-zA-Z%0-9:]+&[^"'\\\s!)*]+)`)
	// webpack-hot-middleware, and old versions of Next and others.
	hotMiddleware = regexp.MustCompile(`[\w\-./]*/__webpack_hmr\b`)
	// The runtime of Parcel (2) gets its values as variables.
	parcelHost   = regexp.MustCompile(`\bHMR_HOST\s*=\s*` + jsString)
	parcelPort   = regexp.MustCompile(`\bHMR_PORT\s*=\s*(?:"?(\d+)"?|null|undefined)`)
	parcelSecure = regexp.MustCompile(`\bHMR_SECURE\s*=\s*true\b`)
	esbuildPath  = regexp.MustCompile(`EventSource\(\s*["'` + "`" + `]([^"'` + "`" + `\s]*/esbuild)["'` + "`" + `]`)
)

// bundled finds servers whose client is part of the page's bundles.
func (l *look) bundled() *devServer {
	code := l.code()
	if m := near(code, "?protocol=", webpackQuery); m != nil {
		if q, err := url.ParseQuery(m[1]); err == nil {
			return l.webpack(q)
		}
	}
	if m := near(code, "HMR_HOST", parcelHost); m != nil && strings.Contains(code, "HMR_PORT") {
		return l.parcel(code, literal(m[1]))
	}
	if m := near(code, "/__webpack_hmr", hotMiddleware); m != nil {
		return &devServer{
			DevServer: api.DevServer{Kind: "hot-middleware"}, label: "webpack-hot-middleware", stream: true,
			target: l.below("http", m[0]), astray: elsewhere("remove the path option of its client"),
		}
	}
	return nil
}

// webpackURL is what lets the client use the address of its page.
const webpackURL = `devServer: { client: { webSocketURL: "auto://0.0.0.0:0/ws" } }`

// webpack is webpack-dev-server, whose client takes from the page what it is not told
// (client-src/index.js, createSocketURL).
func (l *look) webpack(q url.Values) *devServer {
	host, port, path := q.Get("hostname"), q.Get("port"), q.Get("pathname")
	any := host == "" || host == "0.0.0.0" || host == "::" || host == "[::]"
	if any {
		host = l.at.Hostname()
	}
	scheme := strings.TrimSuffix(q.Get("protocol"), ":")
	if scheme == "auto" || scheme == "http" || scheme == "" {
		scheme = "ws"
	}
	given := port != "" && port != "0"
	if !given {
		port = l.at.Port()
	}
	if path == "" {
		path = "/ws"
	}
	u, err := url.Parse(scheme + "://" + hostPort(host, port) + "/" + strings.TrimPrefix(path, "/"))
	if err != nil {
		return loses("webpack", "webpack-dev-server", "client_address", "set "+webpackURL, "its client is given an address that is none")
	}
	return &devServer{
		DevServer: api.DevServer{Kind: "webpack"}, label: "webpack-dev-server", target: u,
		astray: func(*look) (code, hint, detail string) {
			code, detail = "client_port", fmt.Sprintf("the client is told to connect to port %s", clip(port))
			if !any {
				code, detail = "client_host", fmt.Sprintf("the client is told to connect to the host %s", clip(host))
			}
			if scheme != "ws" {
				code, detail = "client_protocol", fmt.Sprintf("the client is told to use %s, and the front door speaks ws", clip(scheme))
			}
			return code, "set " + webpackURL + ", so that it uses the address of the page; Create React App does with WDS_SOCKET_PORT=0", detail
		},
		says: saysNoError,
		refused: func(_ *look, o *opened) (code, hint, why string) {
			if o.status == 403 {
				return "host_refused", hostsOfWebpack, "Host or Origin not allowed"
			}
			return "", "", ""
		},
	}
}

// saysNoError takes any first message but the one with which webpack-dev-server refuses who
// it has let in.
func saysNoError(hello []byte) (code, hint string) {
	var m struct {
		Type string
		Data any
	}
	_ = json.Unmarshal(hello, &m)
	if text, _ := m.Data.(string); m.Type == "error" && strings.Contains(text, "Invalid Host") {
		return "host_refused", hostsOfWebpack
	}
	return "", ""
}

func hostPort(host, port string) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	if port == "" {
		return host
	}
	return host + ":" + port
}

// parcel is Parcel, whose client takes from the page what it is not told (runtime-browser-hmr).
func (l *look) parcel(code, host string) *devServer {
	port, scheme := l.at.Port(), "ws"
	if given := group(code, "HMR_PORT", parcelPort); given != "" {
		port = given
	}
	if near(code, "HMR_SECURE", parcelSecure) != nil {
		scheme = "wss"
	}
	if host == "" {
		host = l.at.Hostname()
	}
	u, err := url.Parse(scheme + "://" + hostPort(host, port) + "/")
	if err != nil {
		return nil
	}
	return &devServer{
		DevServer: api.DevServer{Kind: "parcel"}, label: "Parcel", target: u,
		astray: elsewhere("start it without --hmr-host, --hmr-port and --https"),
	}
}

// esbuild is the server of esbuild, whose page has to listen by itself.
func (l *look) esbuild() *devServer {
	path, named := "/esbuild", false
	if given := group(l.code(), "EventSource(", esbuildPath); given != "" {
		path, named = given, true
	}
	u := l.below("http", path)
	if !named {
		a, err := l.browser.get(l.ctx, u, asStream, l.times.Part)
		if err != nil || mediaOf(a) != "text/event-stream" {
			return nil
		}
	}
	d := &devServer{
		DevServer: api.DevServer{Kind: "esbuild"}, label: "esbuild", stream: true, target: u,
		astray: elsewhere("listen to /esbuild, without a host"),
	}
	if !named {
		d.lost = loses("esbuild", "esbuild", "client_missing", `put new EventSource("/esbuild").addEventListener("change", () => location.reload()) into the page`,
			"the server tells of changes at /esbuild, and the page does not listen").lost
		d.lost.Status = statusWarn
	}
	return d
}
