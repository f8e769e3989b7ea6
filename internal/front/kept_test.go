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
	"time"
)

// kept is a connection to the door for names that a test speaks HTTP over, byte by byte.
type kept struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func (h *house) call() *kept {
	h.t.Helper()
	c, err := net.Dial("tcp", h.NamesAddress())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &kept{c.(*net.TCPConn), h.t.(*testing.T), bufio.NewReader(c)}
}

func (k *kept) send(s string) {
	k.t.Helper()
	if _, err := io.WriteString(k, s); err != nil {
		k.t.Fatal(err)
	}
}

// hear reads the next answer to a request of that method, and its body.
func (k *kept) hear(method string) (*http.Response, string) {
	k.t.Helper()
	res, err := http.ReadResponse(k.r, &http.Request{Method: method})
	if err != nil {
		k.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		k.t.Fatalf("%q %v", body, err)
	}
	return res, string(body)
}

func (k *kept) get(path string, headers ...string) (*http.Response, string) {
	k.t.Helper()
	k.send("GET " + path + " HTTP/1.1\r\nHost: demo.localhost\r\n" + strings.Join(append(headers, "", ""), "\r\n"))
	return k.hear("GET")
}

// ends wants the connection to be over.
func (k *kept) ends() {
	k.t.Helper()
	if rest, err := io.ReadAll(k.r); len(rest) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		k.t.Errorf("it goes on with %q, %v", rest, err)
	}
}

// openRaw is a door for names before a server of bytes.
func openRaw(t *testing.T, serve func(*net.TCPConn)) *house {
	t.Helper()
	h := open(t, 20, serve)
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	return h
}

func (i *inside) reached() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.ports)
}
