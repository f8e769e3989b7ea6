package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// devtools drives one tab of a browser (https://chromedevtools.github.io/devtools-protocol).
type devtools struct {
	t      *testing.T
	conn   *websocket.Conn
	sent   int
	paused []string // ids of requests that wait for a word
}

// attach connects to the tab whose address contains part.
func (b *browser) attach(part string) *devtools {
	t := b.t
	t.Helper()
	through := &http.Client{Transport: &http.Transport{DialContext: b.net.dial, DisableKeepAlives: true}}
	var pages []struct{ URL, WebSocketDebuggerURL string }
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		raw, err := os.ReadFile(filepath.Join(b.profile, "DevToolsActivePort"))
		if err != nil {
			continue // the browser has just begun
		}
		port, _, _ := strings.Cut(string(raw), "\n")
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/json/list", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := through.Do(req)
		if err != nil {
			continue
		}
		err = json.NewDecoder(res.Body).Decode(&pages)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if strings.Contains(p.URL, part) {
				conn, _, err := websocket.Dial(t.Context(), p.WebSocketDebuggerURL, &websocket.DialOptions{HTTPClient: through})
				if err != nil {
					t.Fatal(err)
				}
				conn.SetReadLimit(-1)
				t.Cleanup(func() { _ = conn.CloseNow() })
				return &devtools{t: t, conn: conn}
			}
		}
	}
	t.Fatalf("the browser shows %+v", pages)
	return nil
}

// call sends a command, which has to succeed, and puts its result into result, unless that
// is nil.
func (d *devtools) call(method string, params map[string]any, result any) {
	d.t.Helper()
	if refused := d.try(method, params, result); refused != "" {
		d.t.Fatalf("%s: the browser answers %s", method, refused)
	}
}

// try is call that returns what the browser refuses the command with.
func (d *devtools) try(method string, params map[string]any, result any) (refused string) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	defer cancel()
	d.sent++
	command, err := json.Marshal(map[string]any{"id": d.sent, "method": method, "params": params})
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.conn.Write(ctx, websocket.MessageText, command); err != nil {
		d.t.Fatal(err)
	}
	for {
		_, data, err := d.conn.Read(ctx)
		if err != nil {
			d.t.Fatal(err)
		}
		var m struct {
			ID            int
			Result, Error json.RawMessage
			Method        string
			Params        struct{ RequestID string }
		}
		if json.Unmarshal(data, &m) != nil || m.ID != d.sent {
			if m.Method == "Fetch.requestPaused" {
				d.paused = append(d.paused, m.Params.RequestID)
			}
			continue // an event
		}
		if m.Error != nil {
			return string(m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				d.t.Fatal(err)
			}
		}
		return ""
	}
}

// text is what a JavaScript expression yields in the page, as a string; between two pages
// it is what the browser says instead.
func (d *devtools) text(expression string) string {
	d.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails json.RawMessage
	}
	if refused := d.try("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "awaitPromise": true, "returnByValue": true}, &r); refused != "" {
		return refused
	}
	if r.ExceptionDetails != nil {
		return "exception: " + string(r.ExceptionDetails)
	}
	s, _ := r.Result.Value.(string)
	return s
}

// wait waits until an expression yields want.
func (d *devtools) wait(expression, want string) {
	d.t.Helper()
	got := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got = d.text(expression); got == want {
			return
		}
	}
	var frames json.RawMessage
	d.try("Page.getFrameTree", nil, &frames)
	d.t.Fatalf("%s is %q, want %q; the page says %.500q, its frames are %.1000s", expression, got, want, d.text("document.body.innerText"), frames)
}

// reload loads the page anew and returns once the document before is gone.
func (d *devtools) reload() {
	d.t.Helper()
	d.text(`window.before = 1`)
	d.call("Page.reload", nil, nil)
	d.wait(`typeof window.before`, "undefined")
}

// loses has the browser lose one request for pattern, which do leads to, as when the network
// of the machine changes.
func (d *devtools) loses(pattern string, do func()) {
	d.t.Helper()
	d.call("Fetch.enable", map[string]any{"patterns": []map[string]any{{"urlPattern": pattern}}}, nil)
	do()
	for end := time.Now().Add(patience); len(d.paused) == 0; d.text("1") {
		if time.Now().After(end) {
			d.t.Fatalf("nothing asks for %s", pattern)
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.call("Fetch.failRequest", map[string]any{"requestId": d.paused[0], "errorReason": "ConnectionFailed"}, nil)
	d.call("Fetch.disable", nil, nil)
	d.paused = nil
}

// click presses the mouse, in the page or what it frames.
func (d *devtools) click(x, y int) {
	d.t.Helper()
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		d.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1}, nil)
	}
}
