package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// kept is a connection to the door for names that a test speaks HTTP over, byte by byte.
type kept struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func (h *house) call() *kept {
	h.t.Helper()
	c, err := net.Dial("tcp", h.NamesAddress())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &kept{c.(*net.TCPConn), h.t.(*testing.T), bufio.NewReader(c)}
}

func (k *kept) send(s string) {
	k.t.Helper()
	if _, err := io.WriteString(k, s); err != nil {
		k.t.Fatal(err)
	}
}

// hear reads the next answer to a request of that method, and its body.
func (k *kept) hear(method string) (*http.Response, string) {
	k.t.Helper()
	res, err := http.ReadResponse(k.r, &http.Request{Method: method})
	if err != nil {
		k.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Fatalf("%q %v", body, err)
	}
	return res, string(body)
}

func (k *kept) get(path string, headers ...string) (*http.Response, string) {
	k.t.Helper()
	k.send("GET " + path + " HTTP/1.1\r\nHost: demo.localhost\r\n" + strings.Join(append(headers, "", ""), "\r\n"))
	return k.hear("GET")
}

// ends wants the connection to be over.
func (k *kept) ends() {
	k.t.Helper()
	if rest, err := io.ReadAll(k.r); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		k.t.Errorf("it goes on with %q, %v", rest, err)
	}
}

// openRaw is a door for names before a server of bytes.
func openRaw(t *testing.T, serve func(*net.TCPConn)) *house {
	t.Helper()
	h := open(t, 20, serve)
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	return h
}

func (i *inside) reached() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.ports)
}

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

// What net/http does not take for a request, nobody inside sees.
func TestWhatIsNoRequestIsRefusedAndEndsTheConnection(t *testing.T) {
	const host = "Host: demo.localhost\r\n"
	for what, c := range map[string]struct {
		sent   string
		status int
	}{
		"no line of a request":        {"nonsense\r\n\r\n", 400},
		"an empty line":               {"\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 400},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n", 400},
		"two hosts":                   {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"a host with a space":         {"GET / HTTP/1.1\r\nHost: demo.localhost x\r\n\r\n", 400},
		"a space before a colon":      {"POST / HTTP/1.1\r\n" + host + "Content-Length : 3\r\n\r\nabc", 400},
		"a fold before all":           {"GET / HTTP/1.1\r\n " + host + "\r\n", 400},
		"no colon":                    {"GET / HTTP/1.1\r\n" + host + "Field\r\n\r\n", 400},
		"a control character":         {"GET / HTTP/1.1\r\n" + host + "Field: a\x00b\r\n\r\n", 400},
		"a carriage return in a line": {"GET / HTTP/1.1\r\n" + host + "Field: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
		"two lengths":                 {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"a length with a sign":        {"POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", 400},
		"a list of lengths":           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", 400},
		"another coding":              {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		"the identity coding":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400},
		"two codings":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"a coding with a tab":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"HTTP/2":                      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"a tunnel":                    {"CONNECT demo.localhost:80 HTTP/1.1\r\n" + host + "\r\n", 405},
		"a target that is none":       {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
		"another kind of address":     {"GET mailto:x HTTP/1.1\r\n" + host + "\r\n", 400},
		"an unknown expectation":      {"GET / HTTP/1.1\r\n" + host + "Expect: more\r\n\r\n", 417},
		"too large a head":            {"GET / HTTP/1.1\r\n" + host + "Field: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n", 431},
	} {
		n := openNames(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the inside sees it", what) }))
		k := n.call()
		go func() { _, _ = io.WriteString(k, c.sent) }() // it may be refused before all is sent
		res, _ := k.hear("GET")
		if res.StatusCode != c.status || !res.Close || res.Header.Get("Wsd-Answer") == "" {
			t.Errorf("%s: %d, close: %t, %v", what, res.StatusCode, res.Close, res.Header)
		}
		_ = k.CloseWrite()
		k.ends()
		n.stop()
	}
}

// A body has one length inside, whatever was said of it.
func TestABodyIsFramedByTheDoor(t *testing.T) {
	heads := make(chan string, 1)
	h := openRaw(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		heads <- fmt.Sprintln(req.ContentLength, req.TransferEncoding, req.Header["Content-Length"], string(body), err)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	})
	for sent, want := range map[string]string{
		"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": "-1 [chunked] [] abc <nil>",
		"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc":                            "3 [] [3] abc <nil>",
		"Connection: content-length\r\nContent-Length: 3\r\n\r\nabc":                   "3 [] [3] abc <nil>",
		"Content-Length: 0\r\n\r\n":                                                    "0 [] [0]  <nil>",
		"\r\n":                                                                         "0 [] [0]  <nil>",
	} {
		k := h.call()
		k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\n" + sent)
		k.hear("POST")
		if got := strings.TrimSpace(<-heads); got != want {
			t.Errorf("%q: %s, want %s", sent, got, want)
		}
	}
}

func TestAHeadThatComesSlowlyIsNotAwaitedForEver(t *testing.T) {
	h := open(t, 10, answerer(new([]string), new(sync.Mutex), short))
	h.headTime = 200 * time.Millisecond
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	k := h.call()
	k.get("/")
	k.send("GET / HTTP/1.1\r\nHost: demo")
	k.ends()
	h.call().ends() // nor is one that never begins
}

// The server refuses the upgrade: what the client sends next is a request, and no stream.
func TestARefusedUpgradeLeavesARequestARequest(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	k.send("GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: demo.localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	for range 2 {
		if _, body := k.hear("GET"); !strings.Contains(body, "X-Forwarded-For=127.0.0.1\n") {
			t.Errorf("the server sees %s", body)
		}
	}
}

// What follows a request for an upgrade at once belongs to the new protocol, once there is one.
func TestWhatFollowsAnUpgradeIsPassedOn(t *testing.T) {
	n := openNames(t, upgrading)
	k := n.call()
	k.send("GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nping\n")
	if res, err := http.ReadResponse(k.r, nil); err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%+v %v", res, err)
	}
	if line, err := k.r.ReadString('\n'); line != "ping\n" {
		t.Errorf("%q %v", line, err)
	}
	_ = k.CloseWrite() // half of it
	k.ends()
}

func TestAnUpgradeThatNobodyAskedForIsRefused(t *testing.T) {
	n := openNames(t, upgrading)
	k := n.call()
	if res, _ := k.get("/"); res.StatusCode != 502 {
		t.Errorf("%d", res.StatusCode)
	}
	if res, _ := k.get("/"); res.StatusCode != 502 {
		t.Errorf("and again: %d", res.StatusCode)
	}
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

func TestAnUploadGoesAsItComes(t *testing.T) {
	pieces := make(chan string)
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				pieces <- string(b[:n])
			}
			if err != nil {
				fmt.Fprint(rw, err)
				return
			}
		}
	}))
	for _, c := range []struct{ head, one, two string }{
		{"Content-Length: 6", "one", "two"},
		{"Transfer-Encoding: chunked", "3\r\none\r\n", "3\r\ntwo\r\n0\r\n\r\n"},
	} {
		k := n.call()
		k.send("PUT / HTTP/1.1\r\nHost: demo.localhost\r\n" + c.head + "\r\n\r\n" + c.one)
		if got := <-pieces; got != "one" {
			t.Errorf("%s: %q", c.head, got)
		}
		k.send(c.two)
		if got := <-pieces; got != "two" {
			t.Errorf("%s: %q", c.head, got)
		}
		if _, body := k.hear("PUT"); body != "EOF" {
			t.Errorf("%s: %s", c.head, body)
		}
		k.send("PUT / HTTP/1.1\r\nHost: demo.localhost\r\n" + c.head + "\r\n\r\n" + c.one)
		<-pieces
		_ = k.CloseWrite()
		k.ends() // without an answer: nobody may take the half for all
	}
}

func TestAClientThatWaitsForLeaveToSendIsGivenIt(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.Copy(rw, r.Body)
	}))
	k := n.call()
	k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if res, _ := k.hear("POST"); res.StatusCode != 100 {
		t.Fatalf("%d", res.StatusCode)
	}
	k.send("body")
	if res, body := k.hear("POST"); res.StatusCode != 200 || body != "body" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	k.send("POST /no HTTP/1.1\r\nHost: demo.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if res, _ := k.hear("POST"); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	k.ends() // what comes now might be the body
}

// A server that has heard enough answers; the client gets that, however much it still sends.
func TestAnAnswerBeforeTheEndOfABodyArrives(t *testing.T) {
	h := openRaw(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 10))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, c)
	})
	k := h.call()
	k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000))
	if res, body := k.hear("POST"); res.StatusCode != 413 || body != "no" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	k.ends()
}

func TestLargeBodiesComeWholeBothWays(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/length" {
			rw.Header().Set("Content-Length", fmt.Sprint(len(all)))
		}
		_, _ = rw.Write(all)
	}))
	sent := strings.Repeat("0123456789abcdef", 100_000)
	for _, path := range []string{"/", "/length"} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(sent)
			if chunked {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequest("POST", "http://"+n.address+path, body)
			req.Host = "demo.localhost"
			res, err := (&http.Client{Timeout: patience}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(got) != sent {
				t.Errorf("%s, chunked %t: %d of %d bytes, %v", path, chunked, len(got), len(sent), err)
			}
		}
	}
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
	idle, waiting, stream := n.call(), n.call(), n.call()
	idle.get("/")
	waiting.send("GET /wait HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	<-asked
	stream.send("GET /stream HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	<-asked
	res, err := http.ReadResponse(stream.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	n.eventually("the first exchange is over", func() bool { return n.guests.count() == 2 })
	close(n.behind.leases[0].kicked)
	if res, body := waiting.hear("GET"); res.StatusCode != 503 || !strings.Contains(body, "--kick") || !res.Close {
		t.Errorf("who waits is told %d %s", res.StatusCode, body)
	}
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the stream looks whole")
	}
	if res, _ := idle.get("/"); res.StatusCode != 200 {
		t.Errorf("a connection without a request: %d", res.StatusCode)
	}
	if got := strings.Count(n.behind.story(), "\n"); got != 2 {
		t.Errorf("there were %d sessions", got)
	}
}

// A connection that is only kept is no use of the workspace, and keeps no session.
func TestAKeptConnectionKeepsNoSession(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = 10 * time.Millisecond
	k := n.call()
	k.get("/")
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
