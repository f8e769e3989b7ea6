package front

import (
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// ask connects to a port of a house whose server says hello, and hears it.
func (h *house) ask(port int) {
	h.t.Helper()
	c, err := net.DialTimeout("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), patience)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if b, err := io.ReadAll(c); string(b) != "hello" {
		h.t.Fatalf("port %d says %q, %v", port, b, err)
	}
}

func TestPortsToWhichNobodyConnectsCostNoGoroutine(t *testing.T) {
	const (
		many = 50
		few  = 5 // what else may be going on in this process
	)
	h := open(t, 100, func(c *net.TCPConn) { _, _ = c.Write([]byte("hello")) })
	h.stay = 20 * time.Millisecond
	ports := []int{h.port}
	for i := range many {
		if i == many/2 {
			h.run()
		}
		p := freePort(t)
		if err := h.Open(p); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, p)
	}
	idle := runtime.NumGoroutine()
	for range 3 { // of which the second finds them asleep again, or just going
		for _, p := range ports {
			h.ask(p)
			h.ask(p)
		}
	}
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > idle+few {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines were %d before anybody connected", runtime.NumGoroutine(), idle)
		}
		runtime.Gosched()
	}
	if idle > many {
		t.Errorf("%d ports take %d goroutines", many, idle)
	}
}

func TestAPortIsGivenBackWhetherSomebodyHasConnectedOrNot(t *testing.T) {
	h := open(t, 100, func(c *net.TCPConn) { _, _ = c.Write([]byte("hello")) }).run()
	other := freePort(t)
	if err := h.Open(other); err != nil {
		t.Fatal(err)
	}
	h.ask(other)
	for _, p := range []int{h.port, other} {
		h.Close(p)
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			t.Fatalf("port %d: %v", p, err)
		}
		_ = l.Close()
		if err := h.Open(p); err != nil {
			t.Fatal(err)
		}
		h.ask(p)
	}
}
