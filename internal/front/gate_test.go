package front

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// sessionCookie is what a browser has of the workspace for whose name it asks.
const sessionCookie = "Cookie: session=of-another\r\n\r\n"

// taker is a server inside that answers the first bytes that come, and keeps all that do.
func taker(took chan<- string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		p := make([]byte, 128<<10)
		n, _ := io.ReadAtLeast(c, p, 1)
		_, _ = io.WriteString(c, "taken")
		_ = c.CloseWrite()
		rest, _ := io.ReadAll(c)
		took <- string(p[:n]) + string(rest)
	}
}

// inPieces cuts s after so many bytes each.
func inPieces(s string, size int) (pieces []string) {
	for len(s) > size {
		pieces, s = append(pieces, s[:size]), s[size:]
	}
	return append(pieces, s)
}

func TestALeasedPortServesNoOtherName(t *testing.T) {
	get := func(host string) string { return "GET / HTTP/1.1\r\nHost: " + host + "\r\n" + sessionCookie }
	long := strings.Repeat("x", 40<<10)
	for what, c := range map[string]struct {
		said    string
		refused string // the answer begins with; "": it goes inside
	}{
		"its own name":                       {get("demo.localhost:8002"), ""},
		"its own name, otherwise written":    {get("DEMO.Localhost.:8002"), ""},
		"one of its ports":                   {get("5173.demo.localhost:8002"), ""},
		"its preview page":                   {get("preview.demo.localhost:8002"), ""},
		"a site below its own name":          {get("tenant.demo.localhost:8002"), ""},
		"this machine":                       {get("localhost:8002"), ""},
		"an address":                         {get("127.0.0.1:8002"), ""},
		"a name that is not of the door":     {get("app.example.org"), ""},
		"no name":                            {"GET / HTTP/1.0\r\n\r\n", ""},
		"another protocol":                   {"\x16\x03\x01Host: other.localhost\r\n\r\n", ""},
		"words that begin like a request":    {"GET the Host: other.localhost\r\n\r\n", ""},
		"a word without an end":              {"JDWP-Handshake", ""},
		"a later line of another protocol":   {"SSH-2.0-OpenSSH_9.6\r\nHost: other.localhost\r\n\r\n", ""},
		"HTTP/2":                             {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		"another workspace":                  {get("other.localhost:8002"), "HTTP/1.1 421 "},
		"another workspace, in capitals":     {get("Other.LOCALHOST:8002"), "HTTP/1.1 421 "},
		"another workspace, with a dot":      {get("other.localhost.:8002"), "HTTP/1.1 421 "},
		"a port of another workspace":        {get("3000.other.localhost:8002"), "HTTP/1.1 421 "},
		"a name that ends like its own":      {get("xdemo.localhost:8002"), "HTTP/1.1 421 "},
		"no workspace at all":                {get("a.b.localhost:8002"), "HTTP/1.1 421 "},
		"a form":                             {"POST /x HTTP/1.1\r\nhost:other.localhost\r\nContent-Length: 0\r\n" + sessionCookie, "HTTP/1.1 421 "},
		"a question ahead of one":            {"OPTIONS * HTTP/1.1\r\nHost: other.localhost\r\n\r\n", "HTTP/1.1 421 "},
		"a socket":                           {"GET /ws HTTP/1.1\r\nHost: other.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + sessionCookie, "HTTP/1.1 421 "},
		"the host behind a long address":     {"GET /" + long + " HTTP/1.1\r\nHost: other.localhost\r\n" + sessionCookie, "HTTP/1.1 421 "},
		"the host behind other fields":       {"GET / HTTP/1.1\r\nAccept: */*\r\nX: " + long + "\r\nHost: other.localhost\r\n" + sessionCookie, "HTTP/1.1 421 "},
		"an address that net/http knows not": {"GET /%zz HTTP/1.1\r\nHost: other.localhost\r\n" + sessionCookie, "HTTP/1.1 421 "},
		"lines without carriage returns":     {"GET / HTTP/1.1\nHost: other.localhost\n\n", "HTTP/1.1 421 "},
		"a host that comes too late":         {"GET /" + long + long + long + " HTTP/1.1\r\nHost: other.localhost\r\n" + sessionCookie, "HTTP/1.1 431 "},
	} {
		for _, size := range []int{1 << 20, 7} {
			took := make(chan string, 1)
			h := open(t, 10, taker(took)).run()
			client := h.dial()
			var sends sync.WaitGroup
			sends.Go(func() {
				for _, piece := range inPieces(c.said, size) {
					_, _ = io.WriteString(client, piece)
				}
			})
			want := c.refused
			if want == "" {
				want = "taken"
			}
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil || string(got) != want {
				t.Errorf("%s, %d bytes at a time: %q %v, want %q", what, size, got, err, want)
			}
			_, _ = io.Copy(io.Discard, client) // to the end of a refused one
			sends.Wait()
			_ = client.CloseWrite()
			if inside := <-took; c.refused != "" && inside != "" || c.refused == "" && inside != c.said {
				t.Errorf("%s, %d bytes at a time: inside came %.100q", what, size, inside)
			}
			h.stop()
		}
	}
}

func TestWhoIsRefusedIsToldWhereToLook(t *testing.T) {
	n := openNames(t, tell)
	ask := func() string {
		c := n.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: 3000.other.localhost:8002\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n\r\n")
		said, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		return string(said)
	}
	_, port, _ := net.SplitHostPort(n.address)
	for _, state := range []string{"awake", "asleep"} {
		got := ask()
		for _, want := range []string{"HTTP/1.1 421 ", "Wsd-Answer: front-door\r\n", "<title>Not served here", "http://other.localhost:" + port + "/"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %s", state, want, got)
			}
		}
		n.asleep()
	}
	if got := n.behind.woken(); len(got) > 0 {
		t.Errorf("it was woken by %v", got)
	}
	if strings.Contains(n.behind.story(), "navigation") {
		t.Errorf("it counts as use:\n%s", n.behind.story())
	}
}

// A browser that connects ahead of its request reads whatever is there as the answer to it.
func TestAServerDoesNotAnswerARequestThatItMayNotSee(t *testing.T) {
	const page = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
	for what, greets := range map[string][]string{
		"at once":        {page},
		"piece by piece": {"H", "TTP/", page[5:]},
		"behind junk":    {"\r\n\x00.", page},
		"as a radio":     {"ICY 200 OK\r\n\r\n<html>"},
	} {
		said := make(chan struct{})
		h := open(t, 10, func(c *net.TCPConn) {
			for _, piece := range greets {
				_, _ = io.WriteString(c, piece)
				time.Sleep(time.Millisecond) // so that pieces are read one by one, mostly
			}
			close(said)
			_, _ = io.Copy(io.Discard, c)
		}).run()
		c := h.dial()
		<-said
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: other.localhost\r\n"+sessionCookie)
		got, _ := io.ReadAll(c)
		if strings.Contains(string(got), "html") || strings.Contains(string(got), " 200 ") {
			t.Errorf("%s: the browser is shown %q", what, got)
		}
		h.stop()
	}
}

func TestAServerThatSpeaksFirstIsNotHeldUp(t *testing.T) {
	for _, greeting := range []string{"SSH-2.0-OpenSSH_9.6\r\n", "220 here ESMTP\r\n", "h", "\x4a\x00\x00\x00\x0a8.0.36", strings.Repeat("+OK ", 50_000) + "http"} {
		h := open(t, 10, func(c *net.TCPConn) {
			_, _ = io.WriteString(c, greeting)
			echo(c)
		}).run()
		c := h.dial()
		got := make([]byte, len(greeting))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != greeting {
			t.Errorf("%.30q: %q %v", greeting, got, err)
		}
		h.exchange(c, "GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
		h.stop()
	}
}

// A toy server answers before it is asked.
func TestAnAnswerThatIsEarlyComesWithItsRequest(t *testing.T) {
	const page = "HTTP/1.0 200 OK\r\n\r\nhi"
	h := open(t, 10, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, page)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, c)
	}).run()
	for _, host := range []string{"localhost", "demo.localhost"} {
		c := h.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if got, err := io.ReadAll(c); string(got) != page {
			t.Errorf("%s: %q %v", host, got, err)
		}
	}
	silent := h.dial()
	_ = silent.CloseWrite()
	if got, err := io.ReadAll(silent); string(got) != page {
		t.Errorf("who says nothing: %q %v", got, err)
	}
}

// What a client has begun to say goes inside at its end, and a door that ends waits for nobody.
func TestAHeadWithoutAnEnd(t *testing.T) {
	const half = "GET / HTTP/1.1\r\nAcc"
	took := make(chan string, 1)
	h := open(t, 10, taker(took)).run()
	c := h.dial()
	_, _ = io.WriteString(c, half)
	_ = c.CloseWrite()
	if got := <-took; got != half {
		t.Errorf("inside came %q", got)
	}
	silent := h.dial()
	_, _ = io.WriteString(silent, half)
	h.eventually("both are carried", func() bool { return h.carried() > 0 })
	h.stop()
	h.wantEnd(silent)
}

// A panic of the house leaves no goroutine that waits for a judgement.
func TestAPanicAtTheGateEndsBothWays(t *testing.T) {
	h := open(t, 10, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
	}).run()
	waiting := func() bool {
		stacks := make([]byte, 1<<20)
		return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "serverSide.WriteTo")
	}
	c := h.dial()
	h.eventually("the answer is held back", waiting)
	h.behind.become(func(w *workspace.Workspace) { w.Spec.Image = faulty })
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: other.localhost\r\n\r\n")
	h.wantEnd(c)
	h.eventually("nobody waits", func() bool { return !waiting() })
}

// Whatever a client says in whatever pieces is judged as the whole is, and what net/http
// takes for a request to another workspace is refused.
func FuzzFirstWords(f *testing.F) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: other.localhost\r\n\r\n", "POST /x HTTP/1.0\nA: b\n\n", "SSH-2.0-x\r\n", "GET http://a.localhost/ HTTP/1.1\r\n\r\n"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, said []byte, cut int) {
		host, known := requestHost(said)
		if cut = max(0, min(cut, len(said))); cut > 0 {
			if h, k := requestHost(said[:cut]); k && (!known || h != host) {
				t.Errorf("%q is %q, and with the rest %q %t", said[:cut], h, host, known)
			}
		}
		line, _, _ := bytes.Cut(said, []byte("\n"))
		r := requestOf(said)
		if r.Header == nil || !beginsRequest(line, true) || strings.Contains(r.RequestURI, "://") {
			return
		}
		if r.Host != host {
			t.Errorf("%q asks for %q, and %q is seen", said, r.Host, host)
		}
	})
}
