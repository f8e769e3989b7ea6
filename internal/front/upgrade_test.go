package front

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// The server refuses the upgrade: what the client sends next is a request, and no stream.
func TestARefusedUpgradeLeavesARequestARequest(t *testing.T) {
	n := openNames(t, tell)
	k := n.call()
	k.send("GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" +
		"GET / HTTP/1.1\r\nHost: demo.localhost\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n")
	for range 2 {
		if _, body := k.hear("GET"); !strings.Contains(body, "X-Forwarded-For=127.0.0.1\n") {
			t.Errorf("the server sees %s", body)
		}
	}
}

// What follows a request for an upgrade at once belongs to the new protocol, once there is one.
func TestWhatFollowsAnUpgradeIsPassedOn(t *testing.T) {
	n := openNames(t, upgrading)
	k := n.call()
	k.send("GET /hmr HTTP/1.1\r\nHost: demo.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nping\n")
	if res, err := http.ReadResponse(k.r, nil); err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "websocket" {
		t.Fatalf("%+v %v", res, err)
	}
	if line, err := k.r.ReadString('\n'); line != "ping\n" {
		t.Errorf("%q %v", line, err)
	}
	_ = k.CloseWrite() // half of it
	k.ends()
}

func TestAnUpgradeThatNobodyAskedForIsRefused(t *testing.T) {
	n := openNames(t, upgrading)
	k := n.call()
	if res, _ := k.get("/"); res.StatusCode != 502 {
		t.Errorf("%d", res.StatusCode)
	}
	if res, _ := k.get("/"); res.StatusCode != 502 {
		t.Errorf("and again: %d", res.StatusCode)
	}
}

// As by port, a server that breaks off has not said all: even before anything was passed on.
func TestAnUpgradeThatBreaksOffDoesNotLookWhole(t *testing.T) {
	h := openRaw(t, func(c *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_ = c.SetLinger(0)
	})
	for range 20 {
		k := h.call()
		k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nping")
		if said, err := io.ReadAll(k); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("it ends with %v, after %q", err, said)
		}
	}
}
