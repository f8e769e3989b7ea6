package agentlink

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/await"
	"github.com/wsctl/wsctl/internal/fault"
)

// patience bounds every wait of these tests; nothing is judged by it.
const patience = 20 * time.Second

// scripted is an agent that says what a test gives it, byte for byte.
type scripted struct {
	t       *testing.T
	says    net.Conn
	reports *Reports
	wakes   chan struct{}
}

// connections are the two kinds that a driver may give: a socket of the kernel, and any other.
var connections = map[string]func(t *testing.T) (mine, theirs net.Conn){
	"a socket": func(t *testing.T) (mine, theirs net.Conn) {
		t.Helper()
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if mine, err = net.Dial("unix", l.Addr().String()); err == nil {
			theirs, err = l.Accept()
		}
		if err != nil {
			t.Fatal(err)
		}
		return mine, theirs
	},
	"a pipe": func(*testing.T) (mine, theirs net.Conn) { return net.Pipe() },
}

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

// following opens reports of an agent that answers with head and what comes with it.
func following(t *testing.T, connect func(*testing.T) (net.Conn, net.Conn), head string) (*scripted, error) {
	t.Helper()
	mine, theirs := connect(t)
	s := &scripted{t: t, says: theirs, wakes: make(chan struct{}, 100)}
	t.Cleanup(func() { _ = theirs.Close() })
	go func() {
		if _, err := http.ReadRequest(bufio.NewReader(theirs)); err == nil {
			_, _ = theirs.Write([]byte(head))
		}
	}()
	var quiet await.Set
	t.Cleanup(quiet.Close)
	var err error
	link := New(func(context.Context) (net.Conn, error) { return mine, nil })
	if s.reports, err = link.Reports(t.Context(), &quiet, s.wake); err == nil {
		t.Cleanup(func() { _ = s.reports.Close() })
	}
	return s, err
}

func (s *scripted) wake() { s.wakes <- struct{}{} }

func (s *scripted) say(text string) {
	s.t.Helper()
	_ = s.says.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.says.Write([]byte(text)); err != nil {
		s.t.Fatal(err)
	}
}

// hear waits for the next report.
func (s *scripted) hear() (agentapi.Report, error) {
	s.t.Helper()
	for {
		if r, whole, err := s.reports.Hear(); whole || err != nil {
			return r, err
		}
		if s.reports.Waiting() {
			continue
		}
		s.reports.Await(s.wake)
		select {
		case <-s.wakes:
		case <-time.After(patience):
			s.t.Fatal("nothing wakes who waits")
		}
	}
}

func chunk(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

func line(execs int) string { return fmt.Sprintf(`{"execs":%d}`+"\n", execs) }

func TestReportsAreHeardHoweverTheyAreCut(t *testing.T) {
	long := fmt.Sprintf(`{"execs":9,"command":{"last_lines":[%q]}}`+"\n", strings.Repeat("x", 3*readSize))
	all := chunk(line(1)) + chunk(line(2)+line(3)) + chunk(line(4)[:5]) + chunk(line(4)[5:]) + chunk(long) + "00a;ext=1\r\n" + `{"execs":5` + "\r\n" + chunk("}\n")
	want := []int{1, 2, 3, 4, 9, 5}
	for kind, connect := range connections {
		for _, size := range []int{1, 2, 3, 7, 100, len(all)} {
			t.Run(fmt.Sprint(kind, " of ", size), func(t *testing.T) {
				s, err := following(t, connect, chunked+all[:size-1])
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					for rest := all[size-1:]; rest != ""; {
						n := min(size, len(rest))
						_, _ = s.says.Write([]byte(rest[:n]))
						rest = rest[n:]
					}
				}()
				for _, n := range want {
					if r, err := s.hear(); err != nil || r.Execs != n {
						t.Fatalf("got %d, %v, want %d", r.Execs, err, n)
					}
				}
			})
		}
	}
}

func TestNothingIsWaitedForInTheMiddleOfAReport(t *testing.T) {
	for kind, connect := range connections {
		t.Run(kind, func(t *testing.T) {
			s, err := following(t, connect, chunked)
			if err != nil {
				t.Fatal(err)
			}
			s.reports.Await(s.wake)
			s.say("c\r\n{\"exe")
			<-s.wakes
			if _, whole, err := s.reports.Hear(); whole || err != nil { // it would hang
				t.Fatalf("half of a report is whole, or %v", err)
			}
			if s.reports.Ready() {
				t.Error("there is nothing more, and it is ready")
			}
			s.reports.Await(s.wake)
			s.say("cs\":7}\n\r\n")
			if r, err := s.hear(); err != nil || r.Execs != 7 {
				t.Errorf("got %d, %v", r.Execs, err)
			}
		})
	}
}

// A read of Await may end between a look at Waiting and the next Await.
func TestWhatWasReadIsNotLostToTheNextWait(t *testing.T) {
	for kind, connect := range connections {
		t.Run(kind, func(t *testing.T) {
			s, err := following(t, connect, chunked)
			if err != nil {
				t.Fatal(err)
			}
			report := chunk(line(7))
			s.reports.Await(s.wake)
			s.say(report[:5])
			<-s.wakes
			s.reports.Await(s.wake)
			select {
			case <-s.wakes:
			case <-time.After(patience):
				t.Fatal("nobody is told of what was read")
			}
			go func() { _, _ = s.says.Write([]byte(report[5:])) }()
			if r, err := s.hear(); err != nil || r.Execs != 7 {
				t.Errorf("got %d, %v", r.Execs, err)
			}
		})
	}
}

func TestAnAgentThatTalksNonsenseIsGivenUp(t *testing.T) {
	for what, c := range map[string]struct{ says, code string }{
		"no chunk":             {"hello\r\n", "agent_nonsense"},
		"a size without end":   {strings.Repeat("1", 2*maxHead), "agent_nonsense"},
		"a huge chunk":         {"ffffffff\r\n", "agent_nonsense"},
		"a chunk without end":  {"2\r\n{}xx", "agent_nonsense"},
		"no JSON":              {chunk("{]\n"), "agent_nonsense"},
		"a report without end": {strings.Repeat(chunk(strings.Repeat("x", 1<<16)), maxAnswer>>16+1), "agent_nonsense"},
		"its end":              {"0\r\n\r\n", "agent_silent"},
	} {
		for kind, connect := range connections {
			t.Run(what+" over "+kind, func(t *testing.T) {
				s, err := following(t, connect, chunked+chunk(line(1)))
				if err != nil {
					t.Fatal(err)
				}
				if r, err := s.hear(); err != nil || r.Execs != 1 {
					t.Fatalf("got %d, %v", r.Execs, err)
				}
				go func() { _, _ = s.says.Write([]byte(c.says)); _ = s.says.Close() }()
				if _, err := s.hear(); fault.From(err).Code != c.code {
					t.Errorf("got %v, want %s", err, c.code)
				}
			})
		}
	}
	for what, head := range map[string]string{
		"a length":  "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n",
		"no length": "HTTP/1.0 200 OK\r\n\r\n{}\n",
		"an error":  "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n{}\n",
	} {
		if _, err := following(t, connections["a pipe"], head); err == nil {
			t.Errorf("%s: it is followed", what)
		}
	}
}

// The reason for all of it.
func TestWhoFollowsManyQuietAgentsHasNoGoroutineForEach(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 50 {
		s, err := following(t, connections["a socket"], chunked+chunk(line(1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.hear(); err != nil {
			t.Fatal(err)
		}
		s.reports.Await(s.wake)
	}
	if n := runtime.NumGoroutine() - before; n > 60 { // one for each set
		t.Errorf("50 agents cost %d goroutines", n)
	}
}
