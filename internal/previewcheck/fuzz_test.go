package previewcheck

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// Whatever a page, its clients and its policies are, they are read in bounds, and no address
// that comes of them is one that the browser would not reach.
func FuzzPages(f *testing.F) {
	f.Add(vitePage, viteJS("null", "null", "null", "/", "localhost:5173/"), "default-src 'self'")
	f.Add(`<base href="/x/"><meta http-equiv=content-security-policy content="connect-src *">`, `?protocol=ws%3A&hostname=::&port=0&pathname=ws`, "connect-src ws://*.localhost:*")
	f.Add(`<script id=__bs_script__>`, "var HMR_HOST = \"[::1\";var HMR_PORT = 99999;", "")
	f.Add(`<script src="/_next/static/x.js">`, "/a/__webpack_hmr /_next/hmr new EventSource('%zz/esbuild')", ";;,,connect-src")
	at, err := url.Parse("http://demo.localhost:7070/a/b")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, markup, js, policy string) {
		p := readPage(&answer{status: 200, body: []byte(markup), header: http.Header{"Content-Type": {"text/html"}, "Content-Security-Policy": {policy}}})
		if len(p.scripts) > maxElements {
			t.Fatalf("%d scripts are kept", len(p.scripts))
		}
		if s := clip(markup + js); !utf8.ValidString(s) || utf8.RuneCountInString(s) > quoted+1 || strings.ContainsAny(s, "\n\r\x1b") {
			t.Fatalf("clipped to %q", s)
		}
		for _, s := range p.scripts {
			_, _ = p.resolve(at, s.src)
		}
		l := &look{seen: p, at: at, browser: &browser{name: "demo", door: "7070", names: "127.0.0.1:7070"}, scripts: js, read: true}
		targets := []*devServer{l.next(), l.browserSync(), l.bundled()}
		if v, ok := parseViteClient(js); ok {
			targets = append(targets, l.viteServer(v, at))
		}
		for _, d := range targets {
			if d == nil || d.target == nil {
				continue
			}
			_ = forbids(p.policies, at, d.target)
			if l.browser.serves(d.target) && (!l.browser.isName(strings.TrimSuffix(strings.ToLower(d.target.Hostname()), ".")) || portOf(d.target) != "7070") {
				t.Fatalf("%s is taken for the workspace's", d.target)
			}
			l.known = d
			if !l.browser.serves(d.target) && d.astray != nil {
				if code, _, _ := d.astray(l); code == "" {
					t.Fatal("nothing is said of an address that leads nowhere")
				}
			}
		}
	})
}
