package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// named is a house whose door also serves names, before handler.
type named struct {
	*house
	address string
}

func openNames(t *testing.T, handler http.Handler) *named {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	h := open(t, 2*wakesAtOnce, echo)
	h.behind.addr = server.Listener.Addr().String()
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	return &named{h, h.NamesAddress()}
}

// ask sends a request for host with headers "Name: value" and returns the answer, whose
// body is read.
func (n *named) ask(method, host, path string, headers ...string) (*http.Response, string) {
	n.t.Helper()
	req, err := http.NewRequest(method, "http://"+n.address+path, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	req.Host = host
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Add(k, v)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr, Timeout: patience}).Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res, string(body)
}

// tell answers with what it sees of a request.
var tell = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(rw, "host=%s\n", r.Host)
	for _, k := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Authorization", "Accept-Encoding"} {
		fmt.Fprintf(rw, "%s=%s\n", k, strings.Join(r.Header[k], "|"))
	}
})

func TestHostsLeadToWorkspaces(t *testing.T) {
	for host, want := range map[string]route{
		"demo.localhost":             {name: "demo"},
		"demo.localhost:7070":        {name: "demo"},
		"DEMO.LocalHost.":            {name: "demo"},
		"5173.my-app.localhost:1":    {name: "my-app", port: 5173},
		"8000.localhost":             {name: "8000"},
		"65535.8000.localhost:7070":  {name: "8000", port: 65535},
		"Preview.demo.localhost:7":   {name: "demo", preview: true},
		"preview.localhost":          {name: "preview"},
		"preview.preview.localhost":  {name: "preview", preview: true},
		"3000.preview.localhost:707": {name: "preview", port: 3000},
	} {
		if got, err := parseHost(host); err != nil || got != want {
			t.Errorf("%s: %+v %v", host, got, err)
		}
	}
	for _, host := range []string{
		"", "localhost", "localhost:7070", ".localhost", "127.0.0.1:7070", "[::1]:7070", "demo.localhost.evil.org", "evil.org",
		"demolocalhost", "65536.demo.localhost", "0.demo.localhost", "+80.demo.localhost", "080.demo.localhost", "-1.demo.localhost",
		"1.2.demo.localhost", "preview.1.demo.localhost", "1.preview.demo.localhost", "preview.preview.demo.localhost", "de_mo.localhost", "-demo.localhost", "de--mo.localhost", "demo..localhost",
		strings.Repeat("a", 64) + ".localhost", "d\x00mo.localhost",
	} {
		if got, err := parseHost(host); err == nil {
			t.Errorf("%q leads to %+v", host, got)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"demo.localhost:7070", "5173.demo.localhost", "[::1]:7070", "a.b.c.localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		r, err := parseHost(host)
		if err == nil && (workspace.ValidateName(r.name) != nil || r.port < 0 || r.port > 65535) {
			t.Errorf("%q leads to %+v", host, r)
		}
	})
}

func TestARequestKeepsItsHostAndIsToldItsWay(t *testing.T) {
	n := openNames(t, tell)
	_, body := n.ask("GET", "demo.localhost:7070", "/", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil", "Forwarded: for=6.6.6.6",
		"Authorization: Bearer of-the-app", "Accept-Encoding: identity")
	want := "host=demo.localhost:7070\nX-Forwarded-For=127.0.0.1\nX-Forwarded-Host=demo.localhost:7070\nX-Forwarded-Proto=http\n" +
		"Forwarded=\nAuthorization=Bearer of-the-app\nAccept-Encoding=identity\n"
	if body != want {
		t.Errorf("the server sees\n%s", body)
	}
	n.ask("GET", "5173.demo.localhost", "/")
	if got := fmt.Sprint(n.behind.ports); got != "[8080 5173]" {
		t.Errorf("inside, the ports %s were asked for", got)
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	n := openNames(t, tell)
	for host, want := range map[string]int{
		"evil.example.org": 421, "10.0.0.1": 421, "demo.localhost.evil.org": 421, "localhostx": 421,
		"localhost:7070": 404, "127.0.0.1:7070": 404, "[::1]:7070": 404, "a.b.c.localhost": 404, "other.localhost": 404,
	} {
		if res, body := n.ask("GET", host, "/"); res.StatusCode != want || strings.Contains(body, "host=") || res.Header.Get("Wsd-Answer") == "" {
			t.Errorf("%s: %d %s", host, res.StatusCode, body)
		}
	}
	if n.behind.dialled() != 0 || len(n.behind.ports) != 0 {
		t.Error("the inside was dialled")
	}
}

func TestStreamsComeAsTheyAreSent(t *testing.T) {
	more := make(chan struct{})
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(rw, "data: 1\n\n")
		_ = http.NewResponseController(rw).Flush()
		<-more
		fmt.Fprint(rw, "data: 2\n\n")
	}))
	req, _ := http.NewRequest("GET", "http://"+n.address+"/", nil)
	req.Host = "demo.localhost"
	res, err := (&http.Client{Timeout: patience}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 9)
	if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "data: 1\n\n" {
		t.Fatalf("%q %v", first, err)
	}
	close(more)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "data: 2\n\n" {
		t.Errorf("%q %v", rest, err)
	}
}

// upgrading answers an upgrade and says everything back.
var upgrading = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
	c, buf, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nOrigin-Was: %s\r\n\r\n", r.Header.Get("Upgrade"), r.Header.Get("Origin"))
	_, _ = io.Copy(c, buf)
})

func TestASocketIsUpgradedAndEndsWithTheDoor(t *testing.T) {
	n := openNames(t, upgrading)
	c, err := net.Dial("tcp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://demo.localhost\r\n\r\n")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Origin-Was") != "http://demo.localhost" {
		t.Fatalf("%+v %v", res, err)
	}
	fmt.Fprint(c, "ping\n")
	if line, err := r.ReadString('\n'); line != "ping\n" {
		t.Fatalf("%q %v", line, err)
	}
	n.stop()
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the socket outlives the door")
	}
}

func TestAConnectionOfAnEarlierRunIsNotUsedAgain(t *testing.T) {
	n := openNames(t, tell)
	n.ask("GET", "demo.localhost", "/")
	n.behind.become(func(w *workspace.Workspace) { w.Run = "r2" })
	if res, _ := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 200 {
		t.Errorf("%d", res.StatusCode)
	}
	if len(n.behind.ports) != 2 {
		t.Errorf("the inside was reached %d times", len(n.behind.ports))
	}
}

func TestNothingListensSaysWhatDoes(t *testing.T) {
	n := openNames(t, tell)
	n.behind.addr = fmt.Sprintf("127.0.0.1:%d", freePort(t))
	res, body := n.ask("GET", "demo.localhost", "/", "Accept: text/html")
	if res.StatusCode != 502 || !strings.Contains(body, `<a href="http://5173.demo.localhost/">port 5173</a>`) || !strings.Contains(body, "&lt;vite&gt;") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if res.Header.Get("Content-Security-Policy") == "" || strings.Contains(body, "http-equiv") {
		t.Errorf("%v %s", res.Header, body)
	}
	n.behind.become(func(w *workspace.Workspace) { w.StartedAt = time.Now() })
	res, body = n.ask("GET", "demo.localhost", "/", "Accept: text/html")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !strings.Contains(body, `http-equiv="refresh" content="1"`) {
		t.Errorf("just started: %d %v %s", res.StatusCode, res.Header, body)
	}
}

func TestAnAddressThatIsTakenIsWaitedFor(t *testing.T) {
	other := listen(t, "127.0.0.1:0")
	h := open(t, 10, echo)
	h.again = time.Millisecond
	h.run(other.Addr().String())
	h.exchange(h.dial(), "ports work meanwhile")
	if h.NamesAddress() != "" {
		t.Error("it tells of an address that it has not")
	}
	_ = other.Close()
	h.eventually("names are served", func() bool { return h.NamesAddress() == other.Addr().String() })
}
