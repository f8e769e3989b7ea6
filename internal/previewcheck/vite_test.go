package previewcheck

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// viteJS is the part of Vite 8's client that says where it connects to, with the values
// that Vite writes into it.
func viteJS(protocol, host, port, path, direct string) string {
	return fmt.Sprintf("const base$1 = \"/\" || \"/\";\nconst importMetaUrl = new URL(import.meta.url);\nconst serverHost = \"localhost:5173/\";\n"+
		"const socketProtocol = %s || (importMetaUrl.protocol === \"https:\" ? \"wss\" : \"ws\");\nconst hmrPort = %s;\n"+
		"const socketHost = `${%s || importMetaUrl.hostname}:${hmrPort || importMetaUrl.port}${%q}`;\nconst directSocketHost = %q;\n"+
		"const base = \"/\" || \"/\";\nconst hmrTimeout = 30000;\nconst wsToken = \"N5ia5F53BBlb\";\n", protocol, port, host, path, direct)
}

const vitePage = `<!doctype html><script type="module" src="/@vite/client"></script><title>vite</title><script type="module" src="/main.js"></script>`

// viteHandler serves as Vite does, with settings of its client: port and host as they stand
// in JavaScript; "" is null.
func viteHandler(port, host string) http.Handler {
	if port == "" {
		port = "null"
	}
	if host == "" {
		host = "null"
	}
	return viteWith(viteJS("null", host, port, "/", "localhost:5173/"), agrees(`{"type":"connected"}`, "vite-hmr"))
}

func viteWith(js string, socket http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/@vite/client", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(js))
	})
	page := pageOf(vitePage)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			socket(w, r)
			return
		}
		page.ServeHTTP(w, r)
	})
	return mux
}

// tokenOf lets in as Vite does: who has an Origin needs the token.
func tokenOf(token string, hosts func(string) bool) http.HandlerFunc {
	ok := agrees(`{"type":"connected"}`, "vite-hmr")
	return func(w http.ResponseWriter, r *http.Request) {
		if !hosts(r.Host) || r.Header.Get("Origin") != "" && r.URL.Query().Get("token") != token {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		ok(w, r)
	}
}

func anyHost(string) bool { return true }

func TestVite(t *testing.T) {
	js := viteJS("null", "null", "null", "/", "localhost:5173/")
	for _, tt := range []struct {
		name string
		own  http.Handler
		want string // after the page
		says string
	}{
		{"as it is", viteHandler("", ""), "dev server, hot replacement", "opens (101)"},
		{"its token", viteWith(js, tokenOf("N5ia5F53BBlb", anyHost)), "dev server, hot replacement", ""},
		{"the token of another run", viteWith(js, tokenOf("other", anyHost)), "dev server, fail token_refused", "without the cache"},
		{"a host that is refused", viteWith(js, tokenOf("N5ia5F53BBlb", func(string) bool { return false })), "dev server, fail host_refused", "upgrade of ws://demo.localhost:PORT/ 400: Host not allowed"},
		{"a client port", viteHandler("5173", ""), "dev server, fail client_port", "remove server.ws.clientPort (server.hmr.clientPort before Vite 8.1), or set it to PORT"},
		{"a client port, and another server port", viteHandler("443", ""), "dev server, fail client_port", "told to connect to port 443"},
		{"the client port of the door", viteHandler("PORT", ""), "dev server, hot replacement", ""},
		{"a client host", viteHandler("", `"0.0.0.0"`), "dev server, fail client_host", "remove server.ws.host"},
		{"a client protocol", viteWith(viteJS(`"wss"`, "null", "null", "/", "localhost:5173/"), nil), "dev server, fail client_protocol", "speaks ws"},
		{"a socket server that is not there", viteWith(viteJS("null", "null", "24678", "/", "localhost:5173/"), nil), "dev server, fail hmr_port_silent", "nothing inside listens there"},
		{"a socket server of its own", viteWith(viteJS("null", "null", "3001", "/", "localhost:3001/"), nil), "dev server, fail hmr_port", "3001.demo.localhost:PORT alone"},
		{"it says nothing", viteWith(js, agrees("", "vite-hmr")), "dev server, warn socket_mute", ""},
		{"another one says something", viteWith(js, agrees("hello", "vite-hmr")), "dev server, fail socket_strange", ""},
		{"the upgrade is not passed on", viteWith(js, answers(200, "<!doctype html>")), "dev server, fail not_upgraded", "ws: true"},
		{"it fails", viteWith(js, answers(502, "bad gateway")), "dev server, fail socket_error", "502"},
		{"the upgrade is not answered", viteWith(js, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), "dev server, fail socket_silent", "base"},
		{"no client", pageOf(vitePage), "dev server, fail client_missing", ""},
		{"a client that is not known", viteWith("export {}", nil), "dev server, fail client_unknown", ""},
		{"the client of an address that leads nowhere", pageOf(`<script type="module" src="http://localhost:5173/@vite/client"></script>`), "dev server, fail client_elsewhere", "set server.origin"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c *town
			c = newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.own.ServeHTTP(&portWriter{w, func() string { return c.port() }}, r)
			}))
			c.serve(3001, answers(426, ""))
			found := c.look(0, "")
			if got, want := summary(found), through(tt.want); got != want || found.Server.Kind != "vite" {
				t.Errorf("%s, want %s\n%+v", got, want, found)
			}
			if text := last(found).Detail + " " + last(found).Hint; !strings.Contains(text, strings.ReplaceAll(tt.says, "PORT", c.port())) {
				t.Errorf("it says %q, without %q", text, tt.says)
			}
		})
	}
}

// portWriter puts the port of the door into what a server answers.
type portWriter struct {
	http.ResponseWriter
	port func() string
}

func (p *portWriter) Write(b []byte) (int, error) {
	if _, err := p.ResponseWriter.Write([]byte(strings.ReplaceAll(string(b), "PORT", p.port()))); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (p *portWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// A page of another server loads the client from Vite's port by its name.
func TestViteBesideThePagesServer(t *testing.T) {
	var c *town
	c = newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pageOf(`<script type="module" src="http://3001.demo.localhost:`+c.port()+`/@vite/client"></script>`).ServeHTTP(w, r)
	}))
	c.serve(3001, viteHandler("", ""))
	found := c.look(0, "")
	if want := "ws://3001.demo.localhost:" + c.port() + "/"; !found.Works || found.Server.Socket != want {
		t.Errorf("%+v, want the socket %s", found, want)
	}
}

func TestFallbackOfVite(t *testing.T) {
	js := viteJS("null", "null", "null", "/", "localhost:PORT/")
	tried := false
	var c *town
	c = newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		viteWith(strings.ReplaceAll(js, "PORT", strconv.Itoa(c.w.Port)), func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, "demo.") {
				answers(404, "")(w, r)
				return
			}
			tried = true
			agrees(`{"type":"connected"}`, "vite-hmr")(w, r)
		}).ServeHTTP(w, r)
	}))
	c.lease()
	found := c.look(0, "")
	if last(found).Code != "direct_only" || !tried || !found.Works {
		t.Errorf("%+v", found)
	}
}

func TestParseViteClient(t *testing.T) {
	at, _ := url.Parse("http://demo.localhost:7070/@vite/client")
	for js, want := range map[string]string{
		viteJS("null", "null", "null", "/", "localhost:5173/"):            "ws://demo.localhost:7070/?token=N5ia5F53BBlb",
		viteJS(`"wss"`, `"hmr.test"`, "443", "/app/x", "localhost:5173/"): "wss://hmr.test:443/app/x?token=N5ia5F53BBlb",
		// Vite 5 has no token; builds may write names and spaces otherwise.
		"const socketProtocol=null||(importMetaUrl.protocol===\"https:\"?\"wss\":\"ws\");const hmrPort=null;const socketHost=`${null||importMetaUrl.hostname}:${hmrPort||importMetaUrl.port}${\"/base/\"}`;": "ws://demo.localhost:7070/base/",
	} {
		v, ok := parseViteClient(js)
		if !ok {
			t.Errorf("not understood: %s", js)
			continue
		}
		if got, err := v.target(at); err != nil || got.String() != want {
			t.Errorf("%v %v, want %s", got, err, want)
		}
	}
	if _, ok := parseViteClient("const socketHost = somethingElse"); ok {
		t.Error("what is no client is taken for one")
	}
}
