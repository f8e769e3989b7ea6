package front

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/preview"
	"github.com/wsctl/wsctl/internal/workspace"
)

// tab is a preview page that is open and follows its workspace.
type tab struct {
	t    *testing.T
	in   *bufio.Reader
	head http.Header
	net.Conn
}

func (n *named) preview() *tab {
	n.t.Helper()
	c, err := net.Dial("tcp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	n.t.Cleanup(func() { _ = c.Close() })
	fmt.Fprint(c, "GET /status HTTP/1.1\r\nHost: preview.demo.localhost:7\r\nSec-Fetch-Site: same-origin\r\n\r\n")
	p := &tab{t: n.t.(*testing.T), in: bufio.NewReader(c), Conn: c}
	res, err := http.ReadResponse(p.in, nil) //nolint:bodyclose // it is read from in, to the end of the connection
	if err != nil {
		n.t.Fatal(err)
	}
	p.head = res.Header
	return p
}

// told is the next status that the page gets.
func (p *tab) told() preview.Status {
	p.t.Helper()
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			p.t.Fatalf("no status comes: %v", err)
		}
		if text, ok := strings.CutPrefix(line, "data: "); ok {
			var s preview.Status
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				p.t.Fatal(err)
			}
			return s
		}
	}
}

func TestThePreviewPageIsTheDoorsOwn(t *testing.T) {
	n := openNames(t, tell)
	n.behind.become(func(w *workspace.Workspace) { w.State, w.Desired = workspace.Stopped, workspace.WantStopped })
	res, body := n.ask("GET", "preview.demo.localhost:7", "/?device=mobile", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none")
	if res.StatusCode != 200 || !strings.Contains(body, `data-at="demo.localhost:7"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	policy := res.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "frame-src http://demo.localhost:7 http://*.demo.localhost:7;"} {
		if !strings.Contains(policy, part) {
			t.Errorf("its policy has no %q: %s", part, policy)
		}
	}
	for path, want := range map[string]int{"/shell.js": 200, "/shell.css": 200, "/panes.js": 200, "/helper.js": 404, "/shell.html": 404, "/shell.go": 404, "/a/shell.js": 404} {
		if res, _ := n.ask("GET", "preview.demo.localhost:7", path); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, res.StatusCode, want)
		}
	}
	for host, want := range map[string]int{"preview.other.localhost": 404, "preview.demo.localhost": 405} {
		if res, _ := n.ask("POST", host, "/"); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, res.StatusCode, want)
		}
	}
	if len(n.behind.woken()) != 0 || len(n.behind.ports) != 0 {
		t.Error("the page, not what it frames, has reached for the workspace")
	}
}

func TestAPreviewPageIsToldWhatItsWorkspaceIsAt(t *testing.T) {
	n := openNames(t, tell)
	p := n.preview()
	first := p.told()
	if first.Name != "demo" || first.State != "running" || first.Own != 8080 || len(first.Ports) != 1 || first.Level != "idle" || first.StopAt.IsZero() || !first.Wakes {
		t.Errorf("at first: %+v", first)
	}
	n.behind.become(func(w *workspace.Workspace) {
		w.State, w.Stop, w.Spec.Env = workspace.Stopped, &workspace.Stop{Detail: "nobody used it"}, map[string]string{"SECRET": "x"}
	})
	if s := p.told(); s.State != "stopped" || s.Why != "nobody used it" || s.Ports != nil || s.Level != "" || !s.StopAt.IsZero() {
		t.Errorf("stopped: %+v", s)
	}
	n.behind.become(func(w *workspace.Workspace) { w.State = workspace.Initializing })
	p.told()
	n.behind.news.Publish(api.Message{Type: "signal", Signal: &event.Signal{Kind: event.Progress, Detail: map[string]string{"stage": "image", "current": "1", "total": "4"}}})
	if s := p.told(); s.Stage != "image" || s.Share != 25 {
		t.Errorf("on its way: %+v", s)
	}
	n.behind.news.Publish(api.Message{Type: "event", Event: &event.Event{Kind: event.WorkspaceDeleted}})
	if s := p.told(); s.State != "deleted" {
		t.Errorf("deleted: %+v", s)
	}
	if rest, err := io.ReadAll(p.in); err != nil || strings.Contains(string(rest), "data:") {
		t.Errorf("then %q %v", rest, err)
	}
}

func TestWhatAPreviewPageIsToldIsForItAlone(t *testing.T) {
	n := openNames(t, tell)
	for _, site := range []string{"same-site", "cross-site", "none"} {
		if res, body := n.ask("GET", "preview.demo.localhost", "/status", "Sec-Fetch-Site: "+site); res.StatusCode != 403 || strings.Contains(body, "data:") {
			t.Errorf("%s: %d %s", site, res.StatusCode, body)
		}
	}
}

func TestOnlyThePreviewPageItselfSaysThatItIsUsed(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = time.Hour
	for _, headers := range [][]string{nil, {"Origin: http://demo.localhost"}, {"Origin: null"}, {"Origin: http://preview.demo.localhost:1"}} {
		if res, _ := n.ask("POST", "preview.demo.localhost", "/act", headers...); res.StatusCode != 403 {
			t.Errorf("%v: %d", headers, res.StatusCode)
		}
	}
	if res, _ := n.ask("GET", "preview.demo.localhost", "/act", "Origin: http://preview.demo.localhost"); res.StatusCode != 405 {
		t.Errorf("GET: %d", res.StatusCode)
	}
	n.behind.wants(t, "what others say", "")
	if res, _ := n.ask("POST", "preview.demo.localhost", "/act", "Origin: http://preview.demo.localhost"); res.StatusCode != 204 {
		t.Errorf("%d", res.StatusCode)
	}
	n.behind.wants(t, "what the page says", "http from 127.0.0.1: visible the preview page\n")
}

// What the door says by itself can be told from what a workspace says, and is for the
// preview page alone.
func TestEachAnswerToThePreviewPageIsMarkedAsTheDoors(t *testing.T) {
	n := openNames(t, tell)
	heads := map[string]http.Header{"GET /status": n.preview().head}
	for _, asked := range []string{"GET /", "GET /shell.css", "POST /act"} {
		method, path, _ := strings.Cut(asked, " ")
		res, _ := n.ask(method, "preview.demo.localhost", path, "Origin: http://preview.demo.localhost")
		heads[asked] = res.Header
	}
	for asked, h := range heads {
		if h.Get("Wsd-Answer") != "front-door" || h.Get("Cache-Control") != "no-store" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", asked, h)
		}
	}
}

func TestAPreviewPageIsASessionThatShowsNothing(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = time.Millisecond
	p := n.preview()
	p.told()
	n.behind.wants(t, "while it is open", "http from 127.0.0.1: \n")
	n.behind.become(func(w *workspace.Workspace) { w.Run = "r2" })
	p.told()
	n.eventually("it is one in each run", func() bool { return n.behind.story() == "http from 127.0.0.1: , over\nhttp from 127.0.0.1: \n" })
	_ = p.Close()
	n.eventually("it ends with the page", func() bool { return strings.HasSuffix(n.behind.story(), ", over\nhttp from 127.0.0.1: , over\n") })
}

// framed are the marks of a browser that loads a frame of the preview page.
var framed = []string{"Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: same-site", "Accept-Encoding: gzip", "If-None-Match: x"}

const document = "<!doctype html><html><head><title>x</title></head><body>é</body></html>"

// unframable forbids every frame, and says how it was asked.
var unframable = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	rw.Header().Set("X-Frame-Options", "DENY")
	rw.Header().Set("Etag", "x")
	rw.Header().Set("Asked", r.Header.Get("Accept-Encoding")+r.Header.Get("If-None-Match"))
	if r.URL.Path == "/parts" {
		_, _ = io.WriteString(rw, document[:20])
		_ = http.NewResponseController(rw).Flush()
		_, _ = io.WriteString(rw, document[20:])
		return
	}
	_, _ = io.WriteString(rw, document)
})

func TestADocumentInAFrameOfThePreviewPageHasItsScript(t *testing.T) {
	n := openNames(t, unframable)
	p := n.preview()
	p.told()
	const tag = `<script src="/@wsd/helper.js?overridden=X-Frame-Options%3A+DENY" data-shell="http://preview.demo.localhost:7"></script>`
	want := strings.Replace(document, "<head>", "<head>"+tag, 1)
	for _, at := range []string{"demo.localhost:7/", "demo.localhost:7/parts", "3000.demo.localhost:7/"} {
		host, path, _ := strings.Cut(at, "/")
		res, body := n.ask("GET", host, "/"+path, framed...)
		if body != want || res.ContentLength >= 0 && int(res.ContentLength) != len(want) {
			t.Errorf("%s: %d %q", at, res.ContentLength, body)
		}
		h := res.Header
		if h.Get("X-Frame-Options") != "" || h.Get("Content-Security-Policy") != "frame-ancestors 'self' http://preview.demo.localhost:7" || h.Get("Etag") != "" || h.Get("Asked") != "identity" {
			t.Errorf("%s: %v", at, h)
		}
	}
	if res, body := n.ask("GET", "demo.localhost:7", preview.HelperPath); res.StatusCode != 200 || !strings.Contains(body, "postMessage") {
		t.Errorf("the script: %d", res.StatusCode)
	}
}

func TestWithoutThePreviewPageADocumentIsLeftAsItIs(t *testing.T) {
	n := openNames(t, unframable)
	untouched := func(when string, headers ...string) {
		t.Helper()
		if res, body := n.ask("GET", "demo.localhost:7", "/", headers...); body != document || res.Header.Get("X-Frame-Options") != "DENY" || res.Header.Get("Etag") != "x" {
			t.Errorf("%s: %v %q", when, res.Header, body)
		}
	}
	untouched("no page is open", framed...)
	p := n.preview()
	p.told()
	untouched("in a tab", "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none")
	untouched("framed by a page of another site", "Sec-Fetch-Dest: iframe", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site")
	untouched("a program")
	_ = p.Close()
	n.eventually("the page is closed", func() bool { return !n.previews.isOpen("wdemo") })
	untouched("it was open", framed...)
}

func TestThePreviewPageOfAHostIsOnTheSamePort(t *testing.T) {
	for host, want := range map[string]string{
		"demo.localhost:7070":      "http://preview.demo.localhost:7070",
		"3000.Demo.localhost:7070": "http://preview.demo.localhost:7070",
		"demo.localhost":           "http://preview.demo.localhost",
		"demo.localhost:80":        "http://preview.demo.localhost",
	} {
		if got := shellOf(host, "demo"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestABrowserForgetsWhatAnOriginKeptWhenItsPagesAsk(t *testing.T) {
	n := openNames(t, tell)
	const cookies, storage = `"cookies"`, `"storage", "cache"`
	for asked, want := range map[string]string{
		"?cookies same-site": cookies, "?storage same-site": storage, "?storage same-origin": storage,
		"?cookies cross-site": "", "?cookies none": "", "?cookies ": "", " same-site": "", "?cookies&storage same-site": "",
	} {
		query, site, _ := strings.Cut(asked, " ")
		res, _ := n.ask("GET", "demo.localhost", preview.ClearPath+query, "Sec-Fetch-Site: "+site)
		if got := res.Header.Get("Clear-Site-Data"); got != want || want == "" && res.StatusCode/100 != 4 {
			t.Errorf("%s: %d %q", asked, res.StatusCode, got)
		}
	}
	if len(n.behind.ports) != 0 {
		t.Error("the workspace was asked")
	}
}
