package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/workspace"
	"github.com/wsctl/wsctl/internal/wstest"
)

// The policy of these tests: as the default one, with seconds in place of minutes.
const (
	active     = 2 * time.Second
	idle       = 6 * time.Second
	background = 20 * time.Second
	workCap    = 45 * time.Second
	workTail   = 3 * time.Second
	// late is how much later a stop may come: the container engine's own time for it, and a
	// tail, because so short a look at the cpu sees even the look itself as work.
	late = 10 * time.Second
)

// lived is a house whose workspaces stop within seconds, and where names are served. env is
// added to wsd's environment.
func lived(t *testing.T, env ...string) (h *house, door string) {
	t.Helper()
	door = wstest.FreeAddress(t)
	return newHouse(t, append([]string{
		"WSD_FRONT_ADDRESS=" + door,
		"WSD_ACTIVITY_ACTIVE=" + active.String(), "WSD_ACTIVITY_IDLE=" + idle.String(), "WSD_ACTIVITY_BACKGROUND=" + background.String(),
		"WSD_ACTIVITY_GRACE=1s", "WSD_ACTIVITY_WORK_TAIL=" + workTail.String(), "WSD_ACTIVITY_WORK_CAP=" + workCap.String(), "WSD_ACTIVITY_WARNINGS=8s,2s",
	}, env...)...), door
}

func (h *house) why(name string) (y api.Why) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok("why", name, "--json")), &y); err != nil {
		h.t.Fatal(err)
	}
	return y
}

// ends waits until the workspace has stopped and returns how long after its last use, and why.
// It does what is to go on meanwhile.
func (h *house) ends(t *testing.T, name string, meanwhile ...func()) (time.Duration, string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, do := range meanwhile {
			do()
		}
		y := h.why(name)
		if y.Workspace.State == workspace.Stopped {
			return y.Workspace.StoppedAt.Sub(y.Facts.Engaged), string(y.Workspace.Stop.Reason) + ": " + y.Workspace.Stop.Detail
		}
	}
	t.Fatalf("%s never stopped: %s", name, h.ok("why", name))
	return 0, ""
}

// wantEnd wants it to stop so long after its last use.
func (h *house) wantEnd(t *testing.T, name string, after time.Duration) {
	t.Helper()
	got, why := h.ends(t, name)
	t.Logf("%s stopped %v after its last use: %s", name, got.Round(10*time.Millisecond), why)
	if got < after-100*time.Millisecond || got > after+late {
		t.Errorf("%s stopped %v after its last use, want %v: %s", name, got, after, why)
	}
	if !strings.Contains(why, "policy default") {
		t.Errorf("the reason names no evidence: %s", why)
	}
}

// every does it again and again for so long, and wants the workspace to run meanwhile.
func (h *house) every(t *testing.T, name string, pause, d time.Duration, do func()) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(pause) {
		do()
		if w := h.why(name).Workspace; w.State != workspace.Running {
			t.Fatalf("%s is %s while it is used: %+v", name, w.State, w.Stop)
		}
	}
}

func ask(t *testing.T, address, host, path string, headers ...string) {
	t.Helper()
	answerTo(t, address, host, path, headers...)
}

// answerTo is the body of the answer, "" where there is none.
func answerTo(t *testing.T, address, host, path string, headers ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	res, err := (&http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body) // a workspace may stop meanwhile
	return string(body)
}

func TestATerminalRunsWhileSomebodyTypes(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	h.create("typed", "--template", "static")
	m := h.terminal()
	m.types("wsctl shell typed")
	m.types("echo here-$((40+2))")
	m.shows("here-42")
	h.every(t, "typed", 500*time.Millisecond, background+3*time.Second, func() { m.do("send-keys", "-t", "x", "-l", "x") })
	y := h.why("typed")
	for end := time.Now().Add(patience); y.Level != activity.Active && time.Now().Before(end); y = h.why("typed") { // just after a key
		m.do("send-keys", "-t", "x", "-l", "x")
	}
	if y.Level != activity.Active || len(y.Sessions) == 0 || y.Sessions[0].Kind != activity.Terminal || y.Sessions[0].Inputs < 5 {
		t.Errorf("while somebody types it is %s: %+v", y.Level, y.Sessions)
	}
	m.do("send-keys", "-t", "x", "C-u")
	m.shows("typed stops in") // the warning
	h.wantEnd(t, "typed", background)
	m.shows("workspace typed has stopped")
}

// What looks busy and is nobody: each of these has a connection all the time.
func TestConnectionsAloneKeepNothingRunning(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := lived(t)
	_, port, _ := net.SplitHostPort(door)
	for _, name := range []string{"polled", "ported", "socketed", "viewed", "tailed", "logged"} {
		h.create(name, "--template", "static")
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	leased := func(name string) string { return fmt.Sprintf("127.0.0.1:%d", h.why(name).Workspace.Port) }
	again := func(do func()) {
		go func() {
			for ctx.Err() == nil {
				do()
				time.Sleep(time.Second)
			}
		}()
	}
	again(func() { ask(t, door, "polled.localhost:"+port, "/state", "Sec-Fetch-Mode: cors") })
	at := leased("ported")
	again(func() { ask(t, at, at, "/state", "Sec-Fetch-Mode: cors") })
	socket, err := net.Dial("tcp", leased("socketed"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	again(func() { _, _ = socket.Write([]byte{0x81, 0x80, 0, 0, 0, 0}) }) // an empty message
	c := client.New(client.Options{Socket: h.Socket})
	look := func(name string, out io.Writer, start api.TerminalStart) {
		go func() {
			_, _ = c.AttachTerminal(ctx, name, "main", start, client.ExecStreams{Out: out, Err: io.Discard})
		}()
	}
	seen := h.chatter(ctx, "viewed")
	look("viewed", seen, api.TerminalStart{View: true, ExecStart: api.ExecStart{Command: []string{"tail", "-f", "/workspace/lines"}, TTY: true}})
	look("tailed", io.Discard, api.TerminalStart{ExecStart: api.ExecStart{Command: []string{"tail", "-f", "/etc/hostname"}, TTY: true}})
	go func() {
		for range c.Logs(ctx, "logged", workspace.LogOptions{Follow: true, Tail: 1}) { //nolint:revive // it only looks
		}
	}()
	for _, name := range []string{"polled", "ported", "socketed", "viewed", "tailed", "logged"} {
		t.Run(name, func(t *testing.T) { h.wantEnd(t, name, background) })
	}
	if n := seen.count.Load(); n < 10 {
		t.Errorf("who viewed was shown %d bytes", n)
	}
}

// counted counts what is written to it.
type counted struct{ count atomic.Int64 }

func (c *counted) Write(p []byte) (int, error) {
	c.count.Add(int64(len(p)))
	return len(p), nil
}

// chatter writes five lines a second into a file of a workspace's, from outside: a loop inside would
// begin five programs a second, which is close to what counts as work. It returns what is to see them.
func (h *house) chatter(ctx context.Context, name string) *counted {
	h.t.Helper()
	folder := h.docker.Run("volume", "inspect", "--format", "{{.Mountpoint}}", "wsd-"+h.why(name).Workspace.ID)
	f, err := os.Create(filepath.Join(folder, "lines"))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer f.Close()
		for ctx.Err() == nil {
			_, _ = io.WriteString(f, "line\n")
			time.Sleep(200 * time.Millisecond)
		}
	}()
	return &counted{}
}

func TestClicksKeepAWorkspaceRunning(t *testing.T) {
	t.Parallel() // it mostly waits
	h, door := lived(t)
	_, port, _ := net.SplitHostPort(door)
	h.create("clicked", "--template", "static")
	h.every(t, "clicked", time.Second, background+2*time.Second, func() {
		ask(t, door, "clicked.localhost:"+port, "/", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1")
	})
	at := fmt.Sprintf("127.0.0.1:%d", h.why("clicked").Workspace.Port)
	h.every(t, "clicked", time.Second, background+2*time.Second, func() { ask(t, at, at, "/page?secret=1") })
	last := h.why("clicked").Ledger
	if e := last[len(last)-1]; e.Kind != activity.Request || e.What != "GET /page" {
		t.Errorf("the last evidence is %+v", e)
	}
	if got, why := h.ends(t, "clicked"); got < idle || got > background+late {
		t.Errorf("it stopped %v after the last click: %s", got, why)
	}
}

func TestWorkHoldsAWorkspaceUpToTheCap(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	h.create("built", "--template", "static")
	h.ordinary("burning", "--cpus", "0.5")
	h.ok("exec", "burning", "--", "sh", "-c", `setsid sh -c "while :; do :; done" </dev/null >/dev/null 2>&1 &`)
	from := time.Now()
	h.ok("exec", "built", "--", "sleep", fmt.Sprint(int((background + 4*time.Second).Seconds())))
	if y := h.why("built"); y.Workspace.State != workspace.Running {
		t.Errorf("a build of %v was stopped: %+v", time.Since(from), y.Workspace.Stop)
	}
	if got, why := h.ends(t, "built"); got > workCap+late {
		t.Errorf("after the build it ran on for %v: %s", got, why)
	}
	got, why := h.ends(t, "burning")
	t.Logf("burning stopped after %v: %s", got, why)
	if got < workCap-time.Second || got > workCap+late {
		t.Errorf("busy for ever, it stopped after %v, want %v: %s", got, workCap, why)
	}
}

func TestAConnectionComesBackAsTheSameSession(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t, "WSD_ACTIVITY_GRACE=30s")
	h.create("back", "--template", "static")
	c := client.New(client.Options{Socket: h.Socket})
	attach := func(ctx context.Context, resume string) (id string, done <-chan struct{}) {
		ids, over := make(chan string, 1), make(chan struct{})
		keys, _ := io.Pipe()
		go func() {
			defer close(over)
			_, _ = c.AttachTerminal(ctx, "back", "main", api.TerminalStart{Resume: resume, ExecStart: api.ExecStart{TTY: true, Stdin: true}},
				client.ExecStreams{In: keys, Out: io.Discard, Err: io.Discard, Session: func(id string) { ids <- id }})
		}()
		select {
		case id = <-ids:
		case <-over:
			t.Fatal("it could not attach")
		}
		return id, over
	}
	ctx, drop := context.WithCancel(t.Context())
	first, over := attach(ctx, "")
	drop()
	<-over
	ctx, drop = context.WithCancel(t.Context())
	defer drop()
	second, _ := attach(ctx, first)
	y := h.why("back")
	if first != second || len(y.Sessions) != 1 || y.Sessions[0].Resumes != 1 || y.Sessions[0].Since.After(y.Now) {
		t.Errorf("%s came back as %s: %+v", first, second, y.Sessions)
	}
	h.ok("sessions", "back", "--kick", second)
	if out := h.ok("sessions", "back", "--json"); strings.Contains(out, second) {
		t.Errorf("who was kicked is still there: %s", out)
	}
}

// A lid that was closed for longer than the grace: nobody is there meanwhile, and who comes
// back goes on from the last use, not from the return.
func TestComingBackLateIsNoUse(t *testing.T) {
	t.Parallel()                                                               // it mostly waits
	h, _ := lived(t, "WSD_ACTIVITY_IDLE="+(background-2*time.Second).String()) // time to come back in
	h.create("late", "--template", "static")
	m := h.terminal()
	m.types("wsctl shell late")
	m.types("echo here-$((40+2))")
	m.shows("here-42")
	m.killWsctl()
	used := h.why("late").Facts.Engaged
	for end := time.Now().Add(patience); h.why("late").Level != activity.Disconnected; time.Sleep(50 * time.Millisecond) {
		if y := h.why("late"); time.Now().After(end) || y.Workspace.State != workspace.Running {
			t.Fatalf("it is %s, %s", y.Workspace.State, y.Level)
		}
	}
	m.types("wsctl shell late --view")
	for end := time.Now().Add(patience); h.why("late").Level == activity.Disconnected; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who is back is not seen")
		}
	}
	if y := h.why("late"); y.Facts.Engaged.Sub(used) > time.Second {
		t.Errorf("coming back counts as use: %v after the last key", y.Facts.Engaged.Sub(used))
	}
	h.wantEnd(t, "late", background)
}

func TestAHoldLastsAsLongAsItsCommand(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	h.create("held", "--template", "static")
	const longer = background + 3*time.Second // than it would run
	begun := time.Now()
	if _, errs, status := h.Wsctl("hold", "held", "--", "sh", "-c", fmt.Sprintf("sleep %d; exit 3", int(longer.Seconds()))); status != 3 {
		t.Fatalf("status %d: %s", status, errs)
	}
	if y := h.why("held"); len(y.Holds) != 0 {
		t.Errorf("after its command there are holds %+v", y.Holds)
	}
	h.ends(t, "held")
	if w := h.why("held").Workspace; w.StoppedAt.Before(begun.Add(longer)) {
		t.Errorf("it stopped %v after its command began: %+v", w.StoppedAt.Sub(begun), w.Stop)
	}
}

// Keys over ssh pass wsd encrypted: the agent sees them arrive at their terminal.
func TestTypingOverSSHKeepsAWorkspaceRunning(t *testing.T) {
	t.Parallel() // it mostly waits
	h, _ := lived(t)
	h.ordinary("s")
	h.ok("ssh-config", "--write")
	m := h.terminal()
	m.types("ssh -F " + h.home + "/.ssh/config -t s.wsd cat")
	m.types("over-ssh")
	m.shows("over-ssh")
	begun, typed, rest := time.Now(), time.Now(), time.Duration(0)
	h.every(t, "s", time.Second, background+8*time.Second, func() {
		rest, typed = max(rest, time.Since(typed)), time.Now() // the longest between two keys
		m.types("x")
		// The kernel tells of a key up to 8 s late, and the first one was told by the connection itself.
		if y := h.why("s"); time.Since(begun) > 10*time.Second && y.Now.Sub(y.Facts.Engaged) > 9*time.Second+rest {
			t.Errorf("while somebody types it is %s, last used %v ago", y.Level, y.Now.Sub(y.Facts.Engaged))
		}
	})
	if y := h.why("s"); len(y.Sessions) != 1 || y.Sessions[0].Kind != activity.SSH || y.Sessions[0].Inputs < 2 {
		t.Errorf("the session is not told to have typed: %+v", y.Sessions)
	}
	got, why := h.ends(t, "s")
	t.Logf("s stopped %v after its last use: %s", got, why)
	if got < background-8*time.Second || got > background+late { // the kernel tells of keys up to 8 s late
		t.Errorf("s stopped %v after its last use, want about %v: %s", got, background, why)
	}
}
