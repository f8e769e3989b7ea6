package front

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
)

func TestAWorkspaceThatDoesNotRunClosesAtOnce(t *testing.T) {
	h := open(t, 10, echo).run()
	h.behind.fail(errors.New("it is stopped"))
	c := h.dial()
	_, _ = c.Write([]byte("x"))
	h.wantEnd(c)
	h.behind.fail(nil)
	h.exchange(h.dial(), "now it runs")
}

func TestClosingGivesThePortBackAndLeavesConnectionsAlone(t *testing.T) {
	h := open(t, 10, echo).run()
	c := h.dial()
	h.exchange(c, "before")
	h.Close(h.port)
	if h.Holds(h.port) {
		t.Error("it says that it holds the port still")
	}
	other := listen(t, fmt.Sprintf("127.0.0.1:%d", h.port))
	h.exchange(c, "after")
	if err := h.Open(h.port); err == nil {
		t.Error("it opens a port that another program holds")
	}
	_ = other.Close()
	if err := h.Open(h.port); err != nil || !h.Holds(h.port) {
		t.Fatalf("it does not take the port back: %v", err)
	}
	h.exchange(h.dial(), "again")
	h.Close(h.port)
	h.Close(h.port) // does nothing
}

func TestAPortOfAnotherProgramIsRefused(t *testing.T) {
	other := listen(t, "127.0.0.1:0")
	port := other.Addr().(*net.TCPAddr).Port
	d := New(slog.New(slog.DiscardHandler), 10, nil)
	if err := d.Open(port); !errors.Is(err, syscall.EADDRINUSE) || d.Holds(port) {
		t.Errorf("got %v, held: %t", err, d.Holds(port))
	}
}

func TestOpeningTwiceIsFine(t *testing.T) {
	h := open(t, 10, echo).run()
	if err := h.Open(h.port); err != nil {
		t.Error(err)
	}
	h.exchange(h.dial(), "hello")
}

func TestWhoComesBeforeRunIsCarriedFromThenOn(t *testing.T) {
	h := open(t, 10, echo)
	c := h.dial()
	if _, err := c.Write([]byte("early")); err != nil {
		t.Fatal(err)
	}
	h.run()
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "early" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestTheEndClosesPortsAndConnections(t *testing.T) {
	h := open(t, 10, echo).run()
	c := h.dial()
	h.exchange(c, "hello")
	h.stop()
	if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it looks as if all were said: %v", err)
	}
	_ = listen(t, fmt.Sprintf("127.0.0.1:%d", h.port))
	if err := h.Open(freePort(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a door that has ended opens: %v", err)
	}
}

func TestOneMoreThanItCarriesIsClosedAtOnce(t *testing.T) {
	h := open(t, 2, echo).run()
	first, second := h.dial(), h.dial()
	h.exchange(first, "a")
	h.exchange(second, "b")
	h.wantEnd(h.dial())
	h.exchange(second, "undisturbed")
	_ = first.Close()
	h.eventually("a place is free again", func() bool {
		c := h.dial()
		_, _ = c.Write([]byte("x"))
		_, err := io.ReadFull(c, make([]byte, 1))
		return err == nil
	})
}
