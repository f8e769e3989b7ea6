package e2e_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/wstest"
)

// browser is a Chromium of its own in a network of its own.
type browser struct {
	t       *testing.T
	profile string
	net     *apart
}

// browse opens an address of the host's loopback in a browser until the test ends.
func browse(t *testing.T, address string) *browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing; `make test` installs it")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, net: newApart(t)}
	b.net.lead(t, u.Port())
	if b.profile, err = os.MkdirTemp("", "wsd-browser-"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path,
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
		"--disable-popup-blocking", "--remote-debugging-port=0", "--user-data-dir="+b.profile, address) // without a debugger it prints the page and ends
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	b.net.in(func() { err = cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		for end := time.Now().Add(patience); os.RemoveAll(b.profile) != nil && time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // its children end a little later
		}
	})
	return b
}

// site serves a page and, on the same origin, the API of a daemon, as a server of the user's
// own would. It hears what the page says.
type site struct {
	*httptest.Server
	*script
	words   chan string
	refused atomic.Bool  // sockets are answered with 404
	mute    atomic.Bool  // sockets are not answered
	asked   atomic.Int64 // those
	down    atomic.Bool  // everything of the API is answered with 502
	lists   atomic.Int64
	spared  atomic.Int64 // answers without a body

	mu     sync.Mutex
	conns  []net.Conn // to the daemon
	frames []float64  // the number of each that the page was given
}

func newSite(t *testing.T, d *wstest.Daemon, page string) *site {
	t.Helper()
	s := &site{words: make(chan string, 10), script: &script{t: t, lines: make(chan map[string]any, 1000)}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "wsd"})
			r.Out.Header.Del("Origin")
			r.Out.Header.Del("Referer")
			for name := range r.Out.Header {
				if strings.HasPrefix(name, "Sec-Fetch-") {
					r.Out.Header.Del(name)
				}
			}
		},
		Transport: &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "unix", d.Config.Socket)
			if err == nil {
				s.mu.Lock()
				s.conns = append(s.conns, c)
				s.mu.Unlock()
			}
			return c, err
		}},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusNotModified {
				s.spared.Add(1)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, page) })
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.down.Load():
			w.WriteHeader(http.StatusBadGateway)
			return
		case r.URL.Path == "/v1/ws" && s.mute.Load():
			s.asked.Add(1)
			<-r.Context().Done()
			return
		case r.URL.Path == "/v1/ws" && s.refused.Load():
			w.WriteHeader(http.StatusNotFound)
			return
		case r.URL.Path == "/v1/workspaces":
			s.lists.Add(1)
		}
		proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /said", func(_ http.ResponseWriter, r *http.Request) {
		var o map[string]any
		if body, err := io.ReadAll(r.Body); err == nil && json.Unmarshal(body, &o) == nil {
			if seq, ok := o["seq"].(float64); ok {
				s.mu.Lock()
				s.frames = append(s.frames, seq)
				s.mu.Unlock()
			}
			s.lines <- o
		}
	})
	mux.HandleFunc("GET /next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case word := <-s.words:
			_, _ = io.WriteString(w, word)
		case <-r.Context().Done():
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(func() { s.cut(); s.CloseClientConnections(); s.Close() })
	return s
}

// cut breaks every connection to the daemon, as a network does.
func (s *site) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

// until reads up to the first object whose key has the value.
func (s *site) until(key string, value any) map[string]any {
	s.t.Helper()
	for {
		if o := s.next(key); o[key] == value {
			return o
		}
	}
}

// eachOnce wants the frames of the page to have followed one another without gap.
func (s *site) eachOnce() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.frames); i++ {
		if s.frames[i] != s.frames[i-1]+1 {
			s.t.Fatalf("the page was given frames %v", s.frames)
		}
	}
	if len(s.frames) < 16 {
		s.t.Fatalf("the page was given only frames %v", s.frames)
	}
}

// The module that wsd serves, in a real browser: it joins, sees who is there, and after a
// lost connection gets each frame once.
func TestAPageJoinsSeesOthersDropsAndResumes(t *testing.T) {
	d := wstest.Start(t)
	w, err := d.Create(t.Context(), api.Create{Name: "demo", Image: "wsd:base"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, filepath.Join("testdata", "gateway", "page.html"))
	browse(t, s.URL+"/?workspace=demo")
	joined := s.next("joined")
	if joined["recovered"] != false || joined["session"] == nil || s.next("snapshot")["snapshot"] != w.Name {
		t.Fatalf("joined with %v", joined)
	}
	if p := s.next("presence"); p["members"] != 1.0 {
		t.Fatalf("there are %v", p)
	}
	leave := visit(t, d, w.Name)
	if p := s.until("presence", "join"); p["members"] != 2.0 || p["member"] == joined["member"] {
		t.Fatalf("who came is %v", p)
	}
	leave()
	if p := s.until("presence", "leave"); p["members"] != 1.0 {
		t.Fatalf("after who left there are %v", p)
	}
	relabel(t, d, w.Name, 1, s.script)
	for round := range 3 {
		s.cut()
		if o := s.until("link", "lost"); !strings.HasPrefix(o["shown"].(string), "stale since ") {
			t.Errorf("without a connection the page shows %v", o)
		}
		relabel(t, d, w.Name, 5, nil)
		again := s.next("joined")
		if again["recovered"] != true || again["session"] != joined["session"] || again["member"] != joined["member"] {
			t.Fatalf("round %d: it came back as %v, before: %v", round, again, joined)
		}
		for range 5 {
			s.until("frame", api.FrameUpdated)
		}
	}
	s.eachOnce()
	s.words <- "act"
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		y, err := d.Why(t.Context(), w.Name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(y.Ledger); n > 0 && y.Ledger[n-1].Kind == activity.Visible {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a person acted on the page, and it is no evidence: %+v", y.Ledger)
		}
	}
	s.words <- "end"
	watchEnd(t, d, w.Name)
}

// A socket to which nobody says anything is given up, long before a browser would.
func TestAPageGivesUpASocketThatIsNotAnswered(t *testing.T) {
	d := wstest.Start(t)
	w, err := d.Create(t.Context(), api.Create{Name: "demo", Image: "wsd:base"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, filepath.Join("testdata", "gateway", "page.html"))
	browse(t, s.URL+"/?workspace="+w.Name)
	s.next("joined")
	s.mute.Store(true)
	s.cut()
	for end := time.Now().Add(patience); s.asked.Load() == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the page does not ask for a socket again")
		}
	}
	s.mute.Store(false)
	if again := s.next("joined"); again["recovered"] != true {
		t.Errorf("it came back as %v", again)
	}
}

// watchEnd waits until nobody is connected any more: the page has said goodbye.
func watchEnd(t *testing.T, d *wstest.Daemon, name string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		list, err := d.Sessions(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		live := 0
		for _, s := range list.Sessions {
			if s.Lost.IsZero() {
				live++
			}
		}
		if live == 0 {
			return
		}
	}
	t.Error("the page has closed its connection, and its session lives on")
}

// Where sockets are refused, a page asks for the list, which costs nothing while it does not
// change; where nothing answers, what it shows is stale.
func TestAPageWithoutASocketAsksForTheListAndReturnsToTheSocket(t *testing.T) {
	d := wstest.Start(t)
	w, err := d.Create(t.Context(), api.Create{Name: "demo", Image: "wsd:base"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, d, filepath.Join("testdata", "gateway", "page.html"))
	s.refused.Store(true)
	browse(t, s.URL+"/?workspace=demo")
	if o := s.next("poll"); len(o["poll"].([]any)) != 1 || o["poll"].([]any)[0] != w.Name {
		t.Fatalf("the list is %v", o)
	}
	if o := s.until("link", "polling"); !strings.HasPrefix(o["shown"].(string), "stale since ") {
		t.Errorf("the page shows %v", o)
	}
	for s.spared.Load() == 0 {
		if s.lists.Load() > 6 {
			t.Fatalf("of %d answers each had the whole list", s.lists.Load())
		}
		time.Sleep(50 * time.Millisecond)
	}
	relabel(t, d, w.Name, 1, nil)
	if o := s.next("poll"); o["labels"].(map[string]any)["change"] == nil {
		t.Errorf("after a change the list is %v", o)
	}
	s.down.Store(true)
	s.until("link", "lost")
	s.down.Store(false)
	s.refused.Store(false)
	if s.until("link", "live")["shown"] != "live" || s.next("joined")["joined"] != w.Name {
		t.Error("it did not come back to the socket")
	}
	asked := s.lists.Load()
	s.words <- "visible"
	s.next("visible")
	if s.lists.Load() > asked+1 { // one may have been under way
		t.Error("it asks for the list beside the socket")
	}
}
