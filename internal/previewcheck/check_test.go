package previewcheck

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/front"
	"github.com/wsctl/wsctl/internal/intent"
	"github.com/wsctl/wsctl/internal/workspace"
)

// town is one workspace called demo behind a real front door. Its servers listen on ports
// inside, which are not those of this machine.
type town struct {
	front.House // what is not asked for here

	t       *testing.T
	w       workspace.Workspace
	door    *front.Door
	servers map[int]*httptest.Server
	blind   bool // nobody knows what listens

	mu    sync.Mutex
	peers []string // that the door asked a session for
	wakes int
}

// inside is the port of the workspace's own server.
const inside = 5173

func newTown(t *testing.T, own http.Handler) *town {
	t.Helper()
	c := &town{t: t, servers: map[int]*httptest.Server{}}
	c.w = workspace.Workspace{
		ID: "waaaaaaaaaaaa", Name: "demo", Run: "raaaaaaaaaaaa", Owner: "uid:1", State: workspace.Running, Desired: workspace.WantRunning,
		Spec: workspace.Spec{Port: inside},
	}
	if own != nil {
		c.serve(inside, own)
	}
	c.door = front.New(slog.New(slog.DiscardHandler), 100, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.door.Run(ctx, c, "127.0.0.1:0") }()
	t.Cleanup(func() { cancel(); <-ended })
	for end := time.Now().Add(10 * time.Second); c.door.NamesAddress() == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the door serves no names")
		}
	}
	return c
}

// serve has h listen on a port inside.
func (c *town) serve(port int, h http.Handler) {
	s := httptest.NewServer(h)
	c.t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	c.servers[port] = s
}

// port is that of the door, which pages see.
func (c *town) port() string {
	_, port, _ := net.SplitHostPort(c.door.NamesAddress())
	return port
}

// lease has the workspace lease a port that is free.
func (c *town) lease() {
	c.t.Helper()
	_, port, _ := strings.Cut(closedPort(c.t), ":")
	c.w.Port, _ = strconv.Atoi(port)
	if err := c.door.Open(c.w.Port); err != nil {
		c.t.Fatal(err)
	}
}

func (c *town) Workspace(_ context.Context, _ workspace.Actor, ref string) (workspace.Workspace, error) {
	if ref != c.w.Name {
		return workspace.Workspace{}, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %q", ref)
	}
	return c.w, nil
}

func (c *town) Named(name string) (workspace.Workspace, error) {
	return c.Workspace(context.Background(), workspace.Actor{}, name)
}

func (c *town) Listening(context.Context, workspace.Actor, string) (api.ListeningList, error) {
	if c.blind {
		return api.ListeningList{}, fault.New(fault.Conflict, "no_agent", "no agent")
	}
	var list api.ListeningList
	for port := range c.servers {
		list.Ports = append(list.Ports, api.Listening{Port: port, Address: "127.0.0.1", Process: "node"})
	}
	return list, nil
}

func (c *town) Offers(context.Context, string) []api.Listening { return nil }

func (c *town) Reach(ctx context.Context, _, _ string, port int) (net.Conn, error) {
	s, ok := c.servers[port]
	if !ok {
		return nil, syscall.ECONNREFUSED
	}
	return new(net.Dialer).DialContext(ctx, "tcp", s.Listener.Addr().String())
}

func (c *town) DialPort(ctx context.Context, _ int) (net.Conn, error) {
	return c.Reach(ctx, "", "", inside)
}

func (c *town) Leased(int) (workspace.Workspace, error) { return c.w, nil }

func (c *town) Wake(context.Context, string, string) (workspace.Workspace, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakes++
	return c.w, nil
}

func (c *town) Attend(_ context.Context, _ workspace.Actor, _ string, v activity.Visitor) (activity.Lease, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peers = append(c.peers, v.Peer)
	return nil, fault.New(fault.Conflict, "no_session", "none here")
}

// shortTimes keep what never answers short.
func shortTimes() Times {
	return Times{Page: time.Second, Part: time.Second, Hello: 300 * time.Millisecond, Whole: 20 * time.Second}
}

func (c *town) look(port int, path string) api.PreviewCheck {
	c.t.Helper()
	return c.lookWithin(shortTimes(), port, path)
}

func (c *town) lookWithin(t Times, port int, path string) api.PreviewCheck {
	c.t.Helper()
	found, err := New(c, c.door.NamesAddress, t).CheckPreview(c.t.Context(), workspace.Actor{ID: "uid:1"}, "demo", port, path)
	if err != nil {
		c.t.Fatal(err)
	}
	return found
}

// summary is a report in short: a word for each finding.
func summary(p api.PreviewCheck) string {
	var words []string
	for _, c := range p.Checks {
		word := c.Name
		if c.Status != statusOK {
			word = c.Status + " " + c.Code
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// through is the summary of a look that comes to a page in a frame, and goes on with rest.
func through(rest string) string { return "workspace, front door, port, page, frame, " + rest }

// last is the finding that decides.
func last(p api.PreviewCheck) api.Check { return p.Checks[len(p.Checks)-1] }

// pageOf answers / with markup.
func pageOf(markup string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, markup)
	})
	return mux
}

// agrees is a WebSocket that says hello and waits for the end.
func agrees(hello string, protocols ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: protocols, InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		if hello != "" {
			_ = ws.Write(r.Context(), websocket.MessageText, []byte(hello))
		}
		_, _, _ = ws.Read(r.Context())
	}
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestALookIsNobodysUse(t *testing.T) {
	var mu sync.Mutex
	var asked []http.Header
	c := newTown(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Header.Clone())
		mu.Unlock()
		viteWith(viteJS("null", "null", "null", "/", ""), tokenOf("of another run", anyHost)).ServeHTTP(w, r)
	}))
	if found := c.look(0, ""); last(found).Code != "token_refused" {
		t.Fatalf("it is not asked for all that there is: %+v", found)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 4 {
		t.Fatalf("only %d requests came", len(asked))
	}
	for _, h := range asked {
		if i := intent.Of("/", h); i != intent.LeftOpen {
			t.Errorf("a request is %s: %v", i, h)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if p != Source {
			t.Errorf("a session was asked for from %s", p)
		}
	}
	if len(c.peers) == 0 {
		t.Error("nothing came through the door")
	}
}

func TestWhatIsThereToLookAt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *town)
		port   int
		want   string
		says   string
	}{
		{"a static page", func(*town) {}, 0, through("dev server"), "none that is known"},
		{"it is stopped", func(c *town) { c.w.State = workspace.Stopped }, 0, "fail not_running", "wsctl start demo"},
		{"it is paused", func(c *town) { c.w.State = workspace.Paused }, 0, "fail not_running", "wsctl resume demo"},
		{"it has failed", func(c *town) { c.w.State = workspace.Failed }, 0, "fail not_running", "wsctl logs demo"},
		{"it prepares itself", func(c *town) { c.w.State = workspace.Initializing }, 0, through("dev server"), ""},
		{"it has no port", func(c *town) { c.w.Spec.Port = 0 }, 0, "workspace, fail no_port", "--port"},
		{"another port", func(c *town) { c.serve(3000, pageOf("<p>")) }, 3000, through("dev server"), ""},
		{"nothing listens there", func(*town) {}, 3000, "workspace, front door, fail not_listening", "but on 5173 (node)"},
		{"nobody knows what listens", func(c *town) { c.blind = true }, 0, "workspace, front door, page, frame, dev server", ""},
		{"nobody knows, and nothing does", func(c *town) { c.blind = true }, 3000, "workspace, front door, fail not_reached", "nothing inside listens on port 3000"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newTown(t, pageOf("<title>static</title>"))
			tt.change(c)
			found := c.look(tt.port, "")
			if got := summary(found); got != tt.want {
				t.Errorf("%s, want %s\n%+v", got, tt.want, found.Checks)
			}
			if text := last(found).Detail + last(found).Hint; !strings.Contains(text, tt.says) {
				t.Errorf("it says %q, without %q", text, tt.says)
			}
			if c.wakes > 0 {
				t.Error("a look woke the workspace")
			}
			if found.Works != !strings.Contains(tt.want, "fail") {
				t.Errorf("works: %v", found.Works)
			}
		})
	}
}

func TestWhereNamesAreNotServed(t *testing.T) {
	c := newTown(t, pageOf("<p>"))
	for address, want := range map[string]string{"": "workspace, fail no_names", closedPort(t): "workspace, fail door_silent"} {
		found, err := New(c, func() string { return address }, shortTimes()).CheckPreview(t.Context(), workspace.Actor{}, "demo", 0, "")
		if got := summary(found); err != nil || got != want {
			t.Errorf("%q: %s %v, want %s", address, got, err, want)
		}
	}
}

func TestNamesThatAreServedOnlyNowAreToldWithTheNextLook(t *testing.T) {
	c := newTown(t, pageOf("<p>"))
	served := ""
	names := func() string {
		defer func() { served = c.door.NamesAddress() }()
		return served
	}
	for _, want := range []string{"workspace, fail no_names", through("dev server")} {
		found, err := New(c, names, shortTimes()).CheckPreview(t.Context(), workspace.Actor{}, "demo", 0, "")
		if got := summary(found); err != nil || got != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestWhatIsRefused(t *testing.T) {
	c := newTown(t, pageOf("<p>"))
	k := New(c, c.door.NamesAddress, shortTimes())
	if _, err := k.CheckPreview(t.Context(), workspace.Actor{}, "other", 0, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("a workspace that there is not: %v", err)
	}
	for _, path := range []string{"x", "//evil.test/", "http://evil.test/", "/\x00", "/%zz", "//a@b/"} {
		if _, err := k.CheckPreview(t.Context(), workspace.Actor{}, "demo", 0, path); !fault.Is(err, fault.Invalid) {
			t.Errorf("the path %q: %v", path, err)
		}
	}
	for range atOnce {
		k.places <- struct{}{}
	}
	if _, err := k.CheckPreview(t.Context(), workspace.Actor{}, "demo", 0, ""); !fault.Is(err, fault.Unavailable) {
		t.Errorf("one look too many: %v", err)
	}
}

func TestWhoAsksMayLeave(t *testing.T) {
	begun := make(chan struct{})
	c := newTown(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	ctx, leave := context.WithCancel(t.Context())
	k := New(c, c.door.NamesAddress, DefaultTimes())
	ended := make(chan error, 1)
	go func() {
		_, err := k.CheckPreview(ctx, workspace.Actor{}, "demo", 0, "")
		ended <- err
	}()
	<-begun
	leave()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("a look that was left has a result")
		}
	case <-time.After(10 * time.Second):
		t.Error("a look goes on though nobody waits for it")
	}
	if len(k.places) != 0 {
		t.Error("its place is not given back")
	}
}
