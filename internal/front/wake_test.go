package front

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// asleep lets the workspace sleep.
func (h *house) asleep(change ...func(*workspace.Workspace)) {
	h.behind.become(func(w *workspace.Workspace) {
		w.State, w.Desired = workspace.Stopped, workspace.WantStopped
		for _, c := range change {
			c(w)
		}
	})
}

func TestARequestWakesByNameAndByPort(t *testing.T) {
	n := openNames(t, tell)
	n.asleep()
	if res, body := n.ask("GET", "demo.localhost", "/x"); res.StatusCode != 200 || !strings.Contains(body, "host=demo.localhost") {
		t.Errorf("by name: %d %s", res.StatusCode, body)
	}
	n.asleep()
	c := n.dial()
	fmt.Fprint(c, "POST /y HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
	if got, err := io.ReadAll(c); err != nil || !strings.Contains(string(got), "host=here") || !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("by port: %q %v", got, err)
	}
	if got := fmt.Sprint(n.behind.woken()); got != "[GET demo.localhost/x POST here/y]" {
		t.Errorf("it was woken by %s", got)
	}
}

// Of many requests at once all but the first find a start under way.
func TestARequestWaitsForAStartThatIsUnderWay(t *testing.T) {
	n := openNames(t, tell)
	n.behind.become(func(w *workspace.Workspace) { w.State, w.Desired = workspace.Initializing, workspace.WantRunning })
	if res, body := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	n.behind.become(func(w *workspace.Workspace) { w.State = workspace.Initializing })
	n.behind.early = true
	before := len(n.behind.woken())
	if res, body := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 200 || len(n.behind.woken()) != before {
		t.Errorf("what answers early is waited for: %d %s", res.StatusCode, body)
	}
}

func TestWhatIsNoHTTPWakesWithItsFirstByte(t *testing.T) {
	h := open(t, 10, echo).run()
	h.asleep()
	silent := h.dial()
	h.exchange(h.dial(), "\x16\x03hello")
	h.asleep()
	h.exchange(h.dial(), "Not HTTP at all\r\n\r\n") // begins like a method
	if got := fmt.Sprint(h.behind.woken()); got != "[a connection a connection]" {
		t.Errorf("it was woken by %s", got)
	}
	h.asleep()
	_ = silent.CloseWrite()
	h.wantEnd(silent)
	if n := len(h.behind.woken()); n != 2 {
		t.Errorf("a silent connection wakes")
	}
}

func TestManyRequestsAreOneStart(t *testing.T) {
	n := openNames(t, tell)
	n.behind.slow = make(chan struct{})
	n.asleep()
	var group sync.WaitGroup
	for range wakesAtOnce + 1 { // more than the budget, which counts starts
		group.Go(func() {
			if res, body := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 200 {
				t.Errorf("%d %s", res.StatusCode, body)
			}
		})
	}
	n.eventually("somebody wakes it", func() bool { return len(n.behind.woken()) > 0 })
	close(n.behind.slow)
	group.Wait()
	if got := n.behind.woken(); len(got) != 1 {
		t.Errorf("it was woken %d times", len(got))
	}
}

func TestABrowserIsShownThatItStarts(t *testing.T) {
	n := openNames(t, tell)
	n.behind.slow = make(chan struct{})
	n.asleep()
	res, body := n.ask("GET", "demo.localhost", "/", "Sec-Fetch-Mode: navigate")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, "demo is starting") || !strings.Contains(body, `http-equiv="refresh"`) {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
	close(n.behind.slow) // the start goes on without whoever asked
	n.eventually("it runs", func() bool {
		res, _ := n.ask("GET", "demo.localhost", "/", "Sec-Fetch-Mode: navigate")
		return res.StatusCode == 200
	})
	if got := n.behind.woken(); len(got) != 1 {
		t.Errorf("it was woken %d times", len(got))
	}
}

func TestWhatDoesNotWake(t *testing.T) {
	n := openNames(t, tell)
	off := func(w *workspace.Workspace) { w.Spec.Wake = workspace.WakeOff }
	failed := func(w *workspace.Workspace) { w.State = workspace.Failed }
	deleting := func(w *workspace.Workspace) { w.State = workspace.Deleting }
	for _, c := range []struct {
		what   string
		change func(*workspace.Workspace)
		path   string
		header string
		status int
		says   string
	}{
		{"prefetch", nil, "/", "Sec-Purpose: prefetch", 503, "ahead of a click"},
		{"icon", nil, "/favicon.ico", "Accept: image/*", 503, "icon"},
		{"open page", nil, "/", "Sec-Fetch-Mode: cors", 503, "open page"},
		{"wake off", off, "/", "Accept: text/html", 503, "told not to start"},
		{"failed", failed, "/", "Accept: */*", 503, "has failed"},
		{"deleting", deleting, "/", "Accept: */*", 410, "being deleted"},
	} {
		n.asleep(func(w *workspace.Workspace) {
			w.Spec.Wake = ""
			if c.change != nil {
				c.change(w)
			}
		})
		res, body := n.ask("GET", "demo.localhost", c.path, c.header)
		if res.StatusCode != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d %s", c.what, res.StatusCode, body)
		}
		port := n.dial()
		fmt.Fprintf(port, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", c.path, c.header)
		raw, err := io.ReadAll(port)
		if err != nil || !strings.HasPrefix(string(raw), fmt.Sprintf("HTTP/1.1 %d ", c.status)) || !strings.Contains(string(raw), c.says) {
			t.Errorf("%s by port: %q %v", c.what, raw, err)
		}
	}
	if got := n.behind.woken(); len(got) != 0 {
		t.Errorf("it was woken by %v", got)
	}
}

func TestAStartThatFailsIsToldAsItIs(t *testing.T) {
	n := openNames(t, tell)
	n.asleep()
	n.behind.fail(fault.New(fault.Conflict, "start_failed", "workspace demo did not start: no <room>").WithHint("look at `wsctl logs demo`"))
	res, body := n.ask("GET", "demo.localhost", "/", "Accept: text/html")
	if res.StatusCode != 503 || !strings.Contains(body, "no &lt;room&gt;") || !strings.Contains(body, "<code>wsctl logs demo</code>") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	n.asleep()
	n.behind.fail(errors.New("a secret of the house"))
	if res, body := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 502 || strings.Contains(body, "secret") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestAPersonsWakesHaveABudget(t *testing.T) {
	var b budget
	now := time.Unix(1e9, 0)
	for i := range wakesAtOnce {
		if _, ok := b.take("a", now); !ok {
			t.Fatalf("number %d is refused", i)
		}
	}
	wait, ok := b.take("a", now)
	if ok || wait <= 0 || wait > wakeEvery {
		t.Errorf("one more: %s %t", wait, ok)
	}
	if _, ok := b.take("b", now); !ok {
		t.Error("another person pays for it")
	}
	if _, ok := b.take("a", now.Add(wait)); !ok {
		t.Error("it is refused after the wait that was named")
	}
	if _, ok := b.take("a", now.Add(wait)); ok {
		t.Error("the wait gives more than one")
	}
	n := openNames(t, tell)
	for range wakesAtOnce {
		n.budget.take("uid:1", time.Now())
	}
	n.asleep()
	if res, body := n.ask("GET", "demo.localhost", "/"); res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}
