package serve

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/creack/pty"

	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agentapi"
)

// deadTerminal is a terminal on which nothing runs: what it shows is told by the test.
func deadTerminal(t *testing.T) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = master.Close(), slave.Close() })
	return &terminal{name: "t", cmd: &command{Process: &proc.Process{}, pty: master}, viewers: map[*viewer]struct{}{}}
}

// attached attaches to it and returns the other end of the connection.
func attached(t *terminal, start agentapi.TerminalStart) (theirs net.Conn, over <-chan struct{}) {
	mine, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.attach(newViewer(newLink(upgraded{mine, bufio.NewReader(mine), nil}), start))
		_ = mine.Close()
	}()
	return theirs, done
}

// heard reads until the connection ends or Control comes.
func heard(from net.Conn) (text string, end agentapi.Control) {
	frames := agentapi.NewReader(from)
	var b strings.Builder
	for {
		kind, p, err := frames.Next()
		switch {
		case err != nil:
			return b.String(), end
		case kind == agentapi.Ctl:
			_ = json.Unmarshal(p, &end)
			return b.String(), end
		}
		b.Write(p)
	}
}

func TestAViewerWhoDoesNotReadHoldsUpATerminalOnce(t *testing.T) {
	for name, view := range map[string]bool{"a writer": false, "a viewer": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				term := deadTerminal(t)
				stuck, over := attached(term, agentapi.TerminalStart{View: view})
				synctest.Wait()
				began := time.Now()
				for i := range 5 * queue {
					term.tell(fmt.Appendf(nil, "%d,", i))
				}
				if took := time.Since(began); view && took > 0 || took > patience {
					t.Errorf("the terminal was held up for %s", took)
				}
				if len(term.viewers) > 0 {
					t.Error("it still counts as one who looks")
				}
				text, end := heard(stuck)
				if !strings.HasPrefix(text, "0,1,2,") || end.Type != "detached" || end.Error == nil || end.Error.Code != "too_slow" {
					t.Errorf("once it reads it is told %.20q and %+v", text, end)
				}
				<-over
			})
		})
	}
}

func TestWhoComesWhenTheCommandHasEndedIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := deadTerminal(t)
		term.tell([]byte("the last words"))
		term.over()
		theirs, over := attached(term, agentapi.TerminalStart{})
		defer theirs.Close()
		_ = theirs.SetDeadline(time.Now().Add(time.Minute))
		if text, end := heard(theirs); text != "the last words" || end.Type != "exit" {
			t.Errorf("told %q and %+v", text, end)
		}
		_ = theirs.Close()
		<-over
	})
}

func TestTheLastWordsComeBeforeTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // which of two that are ready is taken is by chance
			term := deadTerminal(t)
			theirs, over := attached(term, agentapi.TerminalStart{})
			synctest.Wait()
			term.tell([]byte("first,"))
			synctest.Wait() // it is being written
			term.tell([]byte("last"))
			term.over()
			if text, end := heard(theirs); text != "first,last" || end.Type != "exit" {
				t.Fatalf("told %q and %+v", text, end)
			}
			_ = theirs.Close()
			<-over
		}
	})
}

// A client that is gone is noticed behind input that a command does not read.
func TestInputThatNobodyReadsDoesNotHideTheEndOfAClient(t *testing.T) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@wsd-serve-test-" + fmt.Sprint(os.Getpid()), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	mine, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := &command{Process: &proc.Process{}, stdin: w}
	defer c.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.input(newLink(upgraded{mine, bufio.NewReader(mine), nil}))
	}()
	for range 3 { // more than the pipe and the frame that is being written hold, less than a socket
		if err := agentapi.WriteFrame(theirs, agentapi.Stdin, make([]byte, agentapi.MaxFrame)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
		t.Fatal("it ended before the client")
	default:
	}
	_ = theirs.Close()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Error("the client is gone, and it waits for the command")
	}
}
