package previewcheck

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// bundle serves a page with one script and a socket or stream.
func bundle(js string, rest map[string]http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageOf(`<script defer src="main.js?v=1"></script>`))
	mux.HandleFunc("/main.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, js)
	})
	for path, h := range rest {
		mux.HandleFunc(path, h)
	}
	return mux
}

func streams(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept") != "text/event-stream" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = io.WriteString(w, "retry: 500\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestServersWhoseClientIsInABundle(t *testing.T) {
	// As webpack 5 writes the names of modules, within eval.
	webpack := func(query string) string {
		return `eval("var parsedResourceQuery = \"` + query + `\"") // ./node_modules/webpack-dev-server/client/index.js` + query
	}
	const free = "?protocol=auto%3A&hostname=0.0.0.0&port=0&pathname=%2Fws&logging=info&overlay=true&reconnect=10&hot=true&live-reload=true"
	const parcel = "var HMR_HOST = null;var HMR_PORT = null;var HMR_SERVER_PORT = 1234;var HMR_SECURE = false;"
	next := `<script src="/_next/static/chunks/main-app.js"></script>`
	for _, tt := range []struct {
		name, kind, want, says string
		own                    http.Handler
	}{
		{"webpack", "webpack", "dev server, hot replacement", "/ws opens", bundle(webpack(free), map[string]http.HandlerFunc{"/ws": agrees(`{"type":"hot"}`)})},
		{"webpack, with a port", "webpack", "dev server, fail client_port", "auto://0.0.0.0:0/ws", bundle(webpack("?protocol=ws%3A&hostname=0.0.0.0&port=5173&pathname=%2Fws&logging=info"), nil)},
		{"webpack, with a host", "webpack", "dev server, fail client_host", "hmr.test", bundle(webpack("?protocol=ws%3A&hostname=hmr.test&port=0&pathname=%2Fws"), nil)},
		{"webpack, with a protocol", "webpack", "dev server, fail client_protocol", "wss", bundle(webpack("?protocol=wss%3A&hostname=0.0.0.0&port=0&pathname=%2Fws"), nil)},
		{"webpack refuses after it has agreed", "webpack", "dev server, fail host_refused", "devServer.allowedHosts", bundle(webpack(free), map[string]http.HandlerFunc{"/ws": agrees(`{"type":"error","data":"Invalid Host/Origin header"}`)})},
		{"webpack refuses", "webpack", "dev server, fail host_refused", "devServer.allowedHosts", bundle(webpack(free), map[string]http.HandlerFunc{"/ws": answers(403, "")})},
		{"webpack without a socket", "webpack", "dev server, fail not_upgraded", "ws: true", bundle(webpack(free), nil)},
		{"webpack-hot-middleware", "hot-middleware", "dev server, hot replacement", "/__webpack_hmr streams", bundle(`var path = "/__webpack_hmr"`, map[string]http.HandlerFunc{"/__webpack_hmr": streams})},
		{"webpack-hot-middleware, not passed on", "hot-middleware", "dev server, fail no_stream", "404", bundle(`var path = "/__webpack_hmr"`, map[string]http.HandlerFunc{"/__webpack_hmr": answers(404, "")})},
		{"parcel", "parcel", "dev server, hot replacement", "opens (101)", upgrades(bundle(parcel, nil), agrees(""))},
		{"parcel, with a port", "parcel", "dev server, fail client_address", "--hmr-port", bundle(strings.ReplaceAll(parcel, "HMR_PORT = null", "HMR_PORT = 4321"), nil)},
		{"esbuild", "esbuild", "dev server, hot replacement", "/esbuild streams", bundle(`new EventSource('/esbuild').addEventListener('change', () => location.reload())`, map[string]http.HandlerFunc{"/esbuild": streams})},
		{"esbuild, and no client", "esbuild", "dev server, warn client_missing", "EventSource", bundle("", map[string]http.HandlerFunc{"/esbuild": streams})},
		{"esbuild, not passed on", "esbuild", "dev server, fail no_stream", "404", bundle("new EventSource(`/esbuild`)", map[string]http.HandlerFunc{"/esbuild": answers(404, "")})},
		{"BrowserSync", "browsersync", "dev server, hot replacement", "opens (200)", synced(answers(200, `0{"sid":"x"}`))},
		{"BrowserSync, not passed on", "browsersync", "dev server, fail not_upgraded", "404", synced(answers(404, ""))},
		{"Next", "next", "dev server, hot replacement", "/_next/hmr opens", nextWith(next, `new WebSocket(u + "/_next/hmr?id=" + id)`, map[string]http.HandlerFunc{"/_next/hmr": agrees(`{"type":"sync"}`)})},
		{"Next, before 16.4", "next", "dev server, hot replacement", "/_next/webpack-hmr opens", nextWith(next, `"/_next/webpack-hmr"`, map[string]http.HandlerFunc{"/_next/webpack-hmr": agrees("")})},
		{"Next refuses", "next", "dev server, fail host_refused", "allowedDevOrigins", nextWith(next, `"/_next/hmr"`, map[string]http.HandlerFunc{"/_next/hmr": bareWord("Unauthorized")})},
		{"Next, built", "static", "dev server", "static", nextWith(next, `"no client"`, nil)},
		{"a base", "webpack", "dev server, hot replacement", "/ws opens", based(webpack(free))},
		{"a policy", "webpack", "dev server, fail csp_blocks", "connect-src 'self' ws://", bundle("", map[string]http.HandlerFunc{"/{$}": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, `<meta http-equiv="content-security-policy" content="connect-src https://api.test"><script>`+webpack(free)+`</script>`)
		}})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTown(t, tt.own)
			found := c.look(0, "")
			if got, want := summary(found), through(tt.want); got != want || found.Server == nil || found.Server.Kind != tt.kind {
				t.Errorf("%s, want %s\n%+v", got, want, found)
			}
			if text := last(found).Detail + " " + last(found).Hint; !strings.Contains(text, tt.says) {
				t.Errorf("it says %q, without %q", text, tt.says)
			}
		})
	}
}

// What was not read may be the client of a dev server: it is not told that there is none.
func TestScriptsThatAreNotReadAreNoStaticPage(t *testing.T) {
	const hot = `var path = "/__webpack_hmr"`
	tags := func(n int) (s string) {
		for i := range n {
			s += fmt.Sprintf("<script src=/%d.js></script>", i)
		}
		return s
	}
	fill := strings.Repeat("x", 1<<20)
	for _, tt := range []struct {
		name    string
		scripts int
		serve   func(w http.ResponseWriter, r *http.Request)
		want    string
		stuck   bool
	}{
		{"all are read", maxScripts, func(http.ResponseWriter, *http.Request) {}, "dev server", false},
		{"one that is missing", 2, http.NotFound, "dev server", false},
		{"one too many", maxScripts + 1, func(http.ResponseWriter, *http.Request) {}, "warn scripts_cut", false},
		{"one that fails", 1, answers(500, hot), "warn scripts_cut", false},
		{"one that moves", 1, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/y", http.StatusFound) }, "warn scripts_cut", false},
		{"one that breaks off", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = io.WriteString(w, "half")
		}, "warn scripts_cut", false},
		{"one that does not come", 2, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "warn scripts_cut", true},
		{"one that is too long", 1, func(w http.ResponseWriter, _ *http.Request) {
			for range maxPart>>20 + 1 {
				_, _ = io.WriteString(w, fill)
			}
		}, "warn scripts_cut", false},
		{"more than all together may be", 4, func(w http.ResponseWriter, _ *http.Request) {
			for range maxPart >> 20 {
				_, _ = io.WriteString(w, fill)
			}
		}, "warn scripts_cut", false},
		{"the client in the last that is read", 3, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/2.js" {
				_, _ = io.WriteString(w, hot)
			}
			for range maxPart >> 20 {
				_, _ = io.WriteString(w, fill)
			}
		}, "dev server, fail no_stream", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := pageOf(tags(tt.scripts))
			c := newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/":
					page.ServeHTTP(w, r)
				case strings.HasSuffix(r.URL.Path, ".js") || r.URL.Path == "/y":
					tt.serve(w, r)
				default:
					http.NotFound(w, r)
				}
			}))
			times := DefaultTimes() // nothing but what is meant to is cut by time
			if tt.stuck {
				times = shortTimes()
			}
			if found := c.lookWithin(times, 0, ""); summary(found) != through(tt.want) {
				t.Errorf("%s, want %s\n%+v", summary(found), through(tt.want), found.Checks)
			}
		})
	}
}

func upgrades(h http.Handler, socket http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			socket(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func synced(socket http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageOf(`<script id="__bs_script__">document.write("<script async src='/browser-sync/browser-sync-client.js'><\/script>")</script>`))
	mux.HandleFunc("/browser-sync/socket.io/", socket)
	return mux
}

func nextWith(page, js string, rest map[string]http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageOf(page))
	mux.HandleFunc("/_next/static/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/javascript")
		_, _ = io.WriteString(w, js)
	})
	for path, h := range rest {
		mux.HandleFunc(path, h)
	}
	return mux
}

// bareWord answers with what is no HTTP.
func bareWord(word string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_, _ = io.WriteString(c, word)
			_ = c.Close()
		}
	}
}

// based has its script where <base> says.
func based(js string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", pageOf(`<base href="/app/"><script src="x.js"></script>`))
	mux.HandleFunc("/app/x.js", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, js) })
	mux.HandleFunc("/ws", agrees(`{"type":"hot"}`))
	return mux
}
