package front

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAKeptConnectionHasOneInside(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	for range 3 {
		if res, body := k.get("/"); res.StatusCode != 200 || !strings.Contains(body, "host=demo.localhost\n") {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
	}
	if got := n.behind.reached(); got != 1 {
		t.Errorf("the inside was reached %d times", got)
	}
	_ = k.Close()
	n.eventually("it is given up", func() bool { return n.carried() == 0 })
	if _, body := n.call().get("/"); !strings.Contains(body, "host=") || n.behind.reached() != 1 {
		t.Errorf("the client's next connection reached the inside anew: %d, %s", n.behind.reached(), body)
	}
}

func TestAKeptConnectionFollowsItsWorkspace(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	k.get("/")
	k.send("GET / HTTP/1.1\r\nHost: 5173.demo.localhost\r\n\r\n")
	if _, body := k.hear("GET"); !strings.Contains(body, "host=5173.demo.localhost\n") || fmt.Sprint(n.behind.ports) != "[8080 5173]" {
		t.Errorf("another port: %v, %s", n.behind.ports, body)
	}
	n.behind.become(func(w *workspace.Workspace) { w.Run = "r2" })
	if res, _ := k.get("/"); res.StatusCode != 200 || n.behind.reached() != 3 {
		t.Errorf("another run: %d, reached %d times", res.StatusCode, n.behind.reached())
	}
	n.asleep()
	if res, _ := k.get("/x"); res.StatusCode != 200 || fmt.Sprint(n.behind.woken()) != "[GET demo.localhost/x]" {
		t.Errorf("asleep: %d, woken by %v", res.StatusCode, n.behind.woken())
	}
	n.asleep(func(w *workspace.Workspace) { w.Spec.Wake = workspace.WakeOff })
	if res, _ := k.get("/"); res.StatusCode != 503 || res.Close {
		t.Errorf("it must not wake: %d, close: %t", res.StatusCode, res.Close)
	}
	n.behind.become(func(w *workspace.Workspace) { w.State, w.Name = workspace.Running, "other" })
	if res, _ := k.get("/"); res.StatusCode != 404 {
		t.Errorf("renamed: %d", res.StatusCode)
	}
}

func TestRequestsMayFollowWithoutAWait(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(rw, r.Method, r.URL.Path, string(body))
	}))
	k := n.call()
	const host = " HTTP/1.1\r\nHost: demo.localhost\r\n"
	k.send("GET /1" + host + "\r\n" + "POST /2" + host + "Content-Length: 3\r\n\r\nabc" + "POST /3" + host + "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\ndef\r\n0\r\n\r\n" + "HEAD /4" + host + "\r\n" + "GET /5" + host + "Connection: close\r\n\r\n" + "GET /6" + host + "\r\n")
	for _, want := range []string{"GET/1", "POST/2abc", "POST/3def", "", "GET/5"} {
		method := "GET"
		if want == "" {
			method = "HEAD"
		}
		if res, body := k.hear(method); res.StatusCode != 200 || body != want || res.Close != (want == "GET/5") {
			t.Errorf("%d %q, want %q, close: %t", res.StatusCode, body, want, res.Close)
		}
	}
	k.ends()
}

func TestAServerLearnsThatItsClientHasGone(t *testing.T) {
	gone := make(chan struct{})
	asked := make(chan struct{})
	n := openNames(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}))
	k := n.call()
	k.send("GET /poll HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	<-asked
	_ = k.Close()
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("it answers nobody for ever")
	}
	n.eventually("nothing is carried", func() bool { return n.carried() == 0 })
}

// Nobody waits for the start any more, and nothing is kept for that.
func TestAClientMayLeaveWhileItsWorkspaceStarts(t *testing.T) {
	n := openNames(t, tell)
	n.asleep()
	n.behind.slow = make(chan struct{})
	defer close(n.behind.slow)
	k := n.call()
	k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	n.eventually("it is woken", func() bool { return len(n.behind.woken()) == 1 })
	_ = k.Close()
	n.eventually("nothing is carried", func() bool { return n.carried() == 0 })
}

// count is how many visits there are.
func (g *guests) count() (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, one := range g.of {
		n += len(one.visits)
	}
	return n
}

func TestAKickEndsWhatIsUnderWay(t *testing.T) {
	asked := make(chan struct{}, 1)
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_ = http.NewResponseController(rw).Flush()
		}
		if r.URL.Path != "/" {
			asked <- struct{}{}
			<-r.Context().Done()
		}
	}))
	idle, waiting := n.call(), n.call()
	idle.get("/")
	waiting.send("GET /wait HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	<-asked
	var streams []*http.Response
	for _, version := range []string{"1.1", "1.0"} { // which has no end but that of the connection
		stream := n.call()
		stream.send("GET /stream HTTP/" + version + "\r\nHost: demo.localhost\r\n\r\n")
		<-asked
		res, err := http.ReadResponse(stream.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, res)
	}
	n.eventually("the first exchange is over", func() bool { return n.guests.count() == 3 })
	close(n.behind.leases[0].kicked)
	if res, body := waiting.hear("GET"); res.StatusCode != 503 || !strings.Contains(body, "--kick") || !res.Close {
		t.Errorf("who waits is told %d %s", res.StatusCode, body)
	}
	for _, res := range streams {
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("the stream over %s looks whole", res.Proto)
		}
	}
	if res, _ := idle.get("/"); res.StatusCode != 200 {
		t.Errorf("a connection without a request: %d", res.StatusCode)
	}
	if got := strings.Count(n.behind.story(), "\n"); got != 2 {
		t.Errorf("there were %d sessions", got)
	}
}

func TestRequestsOverOneConnectionAreOneSession(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	k.get("/")
	k.get("/")
	n.behind.wants(t, "two requests", "http from 127.0.0.1: request GET /, request GET /\n")
}

// A connection that is only kept is no use of the workspace, and keeps no session.
func TestAKeptConnectionKeepsNoSession(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = 10 * time.Millisecond
	k := n.call()
	k.get("/")
	n.eventually("the session is over", func() bool { return strings.HasSuffix(n.behind.story(), ", over\n") })
	k.get("/")
	if got := n.behind.story(); strings.Count(got, "\n") != 2 {
		t.Errorf("there were\n%s", got)
	}
}

func TestTheEndOfTheDoorEndsCallers(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	k.get("/")
	n.stop()
	k.ends()
	if n.carried() != 0 {
		t.Errorf("%d places are taken", n.carried())
	}
}

func TestAPanicEndsItsConnectionAlone(t *testing.T) {
	ended := make(chan struct{}, 2)
	h := openRaw(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "HTTP/1.1 204 No Content\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
		ended <- struct{}{}
	})
	image := func(name string) { h.behind.become(func(w *workspace.Workspace) { w.Spec.Image = name }) }
	k := h.call()
	k.get("/")
	image(faulty)
	k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	k.ends()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the connection inside stays")
	}
	image("")
	if res, _ := h.call().get("/"); res.StatusCode != http.StatusNoContent {
		t.Errorf("the next one is answered %d", res.StatusCode)
	}
}
