package front

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/workspace"
)

// book keeps what became of sessions.
type book struct {
	lines  sync.Mutex
	leases []*lease
	refuse bool
}

type lease struct {
	activity.Lease // the rest is not called
	visitor        activity.Visitor
	book           *book
	kicked         chan struct{}
	shown          []string
	alive          int
	closed         bool
}

func (b *book) Attend(_ context.Context, a workspace.Actor, _ string, v activity.Visitor) (activity.Lease, error) {
	b.lines.Lock()
	defer b.lines.Unlock()
	if b.refuse || a.ID != workspace.FrontDoor {
		return nil, errors.New("no session for it")
	}
	l := &lease{visitor: v, book: b, kicked: make(chan struct{})}
	b.leases = append(b.leases, l)
	return l, nil
}

func (l *lease) do(f func()) {
	l.book.lines.Lock()
	defer l.book.lines.Unlock()
	f()
}

func (l *lease) Engage(e activity.Evidence, what string) {
	l.do(func() { l.shown = append(l.shown, string(e)+" "+what) })
}
func (l *lease) Alive()                  { l.do(func() { l.alive++ }) }
func (l *lease) Kicked() <-chan struct{} { return l.kicked }
func (l *lease) Close()                  { l.do(func() { l.closed = true }) }

// story tells of each session: its kind, what it showed, and whether it is over.
func (b *book) story() string {
	b.lines.Lock()
	defer b.lines.Unlock()
	var s strings.Builder
	for _, l := range b.leases {
		fmt.Fprintf(&s, "%s from %s: %s", l.visitor.Kind, l.visitor.Peer, strings.Join(l.shown, ", "))
		if l.closed {
			s.WriteString(", over")
		}
		s.WriteString("\n")
	}
	return s.String()
}

func (b *book) wants(t *testing.T, what, want string) {
	t.Helper()
	if got := b.story(); got != want {
		t.Errorf("%s:\n%swant\n%s", what, got, want)
	}
}

func TestAClientByNameIsOneSession(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = time.Hour
	for _, headers := range [][]string{
		{"Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1"},
		{"Sec-Fetch-Mode: cors"},
		{"Sec-Fetch-Mode: no-cors"},
		{"Sec-Fetch-Mode: navigate", "Sec-Purpose: prefetch"},
		{"Accept: */*"},
	} {
		n.ask("GET", "demo.localhost", "/p?q=secret", headers...)
	}
	n.ask("GET", "demo.localhost", "/favicon.ico")
	n.behind.wants(t, "five requests and an icon", "http from 127.0.0.1: navigation GET /p, request GET /p\n")
}

func TestASessionEndsAfterItsLastRequest(t *testing.T) {
	n := openNames(t, tell)
	n.guests.stayOn = time.Millisecond
	n.ask("GET", "demo.localhost", "/")
	n.eventually("the session is over", func() bool { return strings.HasSuffix(n.behind.story(), ", over\n") })
	n.ask("GET", "demo.localhost", "/")
	if got := strings.Count(n.behind.story(), "\n"); got != 2 {
		t.Errorf("there were %d sessions", got)
	}
}

func TestALeasedPortLooksForPeople(t *testing.T) {
	n := openNames(t, tell)
	send := func(request string) {
		c := n.dial()
		fmt.Fprint(c, request)
		if got, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200") {
			t.Errorf("%q %v", got, err)
		}
	}
	const end = "Host: x\r\nConnection: close\r\n\r\n"
	send("GET /state HTTP/1.1\r\nSec-Fetch-Mode: cors\r\n" + end)
	n.behind.wants(t, "polling", "tcp from 127.0.0.1: \n")
	send("GET /page HTTP/1.1\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\n" + end)
	n.behind.wants(t, "a click", "tcp from 127.0.0.1: navigation GET /page\n")
}

func TestAnotherProtocolShowsAPersonOnlyWhenItWakes(t *testing.T) {
	h := open(t, 10, echo).run()
	h.exchange(h.dial(), "\x16\x03hello")
	h.behind.wants(t, "awake", "tcp from 127.0.0.1: \n")
	if h.behind.leases[0].alive == 0 {
		t.Error("its bytes did not make it alive")
	}
	h.asleep()
	h.exchange(h.dial(), "\x16\x03hello")
	if got := h.behind.story(); !strings.HasSuffix(got, "tcp from 127.0.0.1: request a connection\n") {
		t.Errorf("asleep:\n%s", got)
	}
}

func TestWhoIsKickedIsCutOff(t *testing.T) {
	h := open(t, 10, echo).run()
	one, two := h.dial(), h.dial()
	h.exchangeOpen(one)
	h.exchangeOpen(two)
	close(h.behind.leases[0].kicked)
	for _, c := range []net.Conn{one, two} {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it goes on: %v", err)
		}
	}
	h.eventually("the session is closed", func() bool { return strings.HasSuffix(h.behind.story(), ", over\n") })
	h.exchangeOpen(h.dial())
	if got := strings.Count(h.behind.story(), "\n"); got != 2 {
		t.Errorf("there were %d sessions", got)
	}
}

// exchangeOpen sends a byte and waits for it; the connection stays.
func (h *house) exchangeOpen(c net.Conn) {
	h.t.Helper()
	_ = c.SetDeadline(time.Now().Add(patience))
	got := make([]byte, 1)
	if _, err := c.Write([]byte{1}); err != nil {
		h.t.Fatal(err)
	}
	if _, err := io.ReadFull(c, got); err != nil {
		h.t.Fatal(err)
	}
}

func TestASocketIsASessionThatShowsNothing(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, c)
	}))
	n.guests.stayOn = time.Millisecond
	c, err := net.Dial("tcp", n.address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nOrigin: http://demo.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 101 {
		t.Fatalf("%v %v", res, err)
	}
	n.behind.wants(t, "an open socket", "http from 127.0.0.1: \n")
	close(n.behind.leases[0].kicked)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a kicked socket goes on")
	}
}

func TestWhoGetsNoSessionIsStillServed(t *testing.T) {
	n := openNames(t, tell)
	n.behind.refuse = true
	if res, _ := n.ask("GET", "demo.localhost", "/"); res.StatusCode != 200 {
		t.Errorf("by name: %d", res.StatusCode)
	}
	n.behind.wants(t, "nobody attends", "")
	n.behind.refuse = false
	n.ask("GET", "demo.localhost", "/")
	n.behind.wants(t, "the next one asks again", "http from 127.0.0.1: request GET /\n")
}

func TestTheDoorEndsItsSessions(t *testing.T) {
	n := openNames(t, tell)
	n.ask("GET", "demo.localhost", "/")
	n.stop()
	if !slices.ContainsFunc(n.behind.leases, func(l *lease) bool { return l.closed }) {
		t.Error("a session outlives the door")
	}
}

// A session stays on for as long after its last visit, whenever the clock was first set.
func TestASessionStaysOnAfterEachVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		house := &inside{row: demo()}
		g := &guests{log: slog.New(slog.DiscardHandler), stayOn: stayOn, of: make(map[guestKey]*guest)}
		over := func() bool {
			synctest.Wait()
			return strings.HasSuffix(house.story(), ", over\n")
		}
		v := g.enter(t.Context(), house, house.row, activity.HTTP, "127.0.0.1", func() {})
		v.leave()
		time.Sleep(stayOn - time.Second)
		if !v.again(house.row.ID, house.row.Run) {
			t.Fatal("it is over early")
		}
		v.leave()
		time.Sleep(stayOn - time.Second)
		if over() || !v.again(house.row.ID, house.row.Run) {
			t.Error("it is over before its time")
		}
		time.Sleep(3 * stayOn)
		if over() {
			t.Error("it is over during a visit")
		}
		v.leave()
		time.Sleep(stayOn + time.Second)
		if !over() || v.again(house.row.ID, house.row.Run) {
			t.Error("it goes on without a visit")
		}
	})
}

// stumbling is a house that panics once.
type stumbling struct {
	*inside
	once sync.Once
}

func (s *stumbling) Attend(ctx context.Context, a workspace.Actor, ref string, v activity.Visitor) (activity.Lease, error) {
	s.once.Do(func() { panic("a fault of the house") })
	return s.inside.Attend(ctx, a, ref, v)
}

// A panic ends its connection: nobody waits for the session that it left behind.
func TestAPanicLeavesNoSessionThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		house := &stumbling{inside: &inside{}}
		g := &guests{log: slog.New(slog.DiscardHandler), stayOn: time.Hour, of: make(map[guestKey]*guest)}
		enter := func() *visit { return g.enter(t.Context(), house, demo(), activity.HTTP, "127.0.0.1", func() {}) }
		func() {
			defer func() { _ = recover() }()
			enter()
		}()
		if v := enter(); v.guest.lease == nil {
			t.Error("the next one has no session")
		}
		g.close()
	})
}
