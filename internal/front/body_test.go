package front

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAnUploadGoesAsItComes(t *testing.T) {
	pieces := make(chan string)
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b := make([]byte, 100)
		for {
			n, err := r.Body.Read(b)
			if n > 0 {
				pieces <- string(b[:n])
			}
			if err != nil {
				fmt.Fprint(rw, err)
				return
			}
		}
	}))
	for _, c := range []struct{ head, one, two string }{
		{"Content-Length: 6", "one", "two"},
		{"Transfer-Encoding: chunked", "3\r\none\r\n", "3\r\ntwo\r\n0\r\n\r\n"},
	} {
		k := n.call()
		k.send("PUT / HTTP/1.1\r\nHost: demo.localhost\r\n" + c.head + "\r\n\r\n" + c.one)
		if got := <-pieces; got != "one" {
			t.Errorf("%s: %q", c.head, got)
		}
		k.send(c.two)
		if got := <-pieces; got != "two" {
			t.Errorf("%s: %q", c.head, got)
		}
		if _, body := k.hear("PUT"); body != "EOF" {
			t.Errorf("%s: %s", c.head, body)
		}
		k.send("PUT / HTTP/1.1\r\nHost: demo.localhost\r\n" + c.head + "\r\n\r\n" + c.one)
		<-pieces
		_ = k.CloseWrite()
		k.ends() // without an answer: nobody may take the half for all
	}
}

func TestAClientThatWaitsForLeaveToSendIsGivenIt(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.Copy(rw, r.Body)
	}))
	k := n.call()
	k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if res, _ := k.hear("POST"); res.StatusCode != 100 {
		t.Fatalf("%d", res.StatusCode)
	}
	k.send("body")
	if res, body := k.hear("POST"); res.StatusCode != 200 || body != "body" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	k.send("POST /no HTTP/1.1\r\nHost: demo.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if res, _ := k.hear("POST"); res.StatusCode != 403 {
		t.Errorf("%d", res.StatusCode)
	}
	k.ends() // what comes now might be the body
}

// A server that has heard enough answers; the client gets that, however much it still sends.
func TestAnAnswerBeforeTheEndOfABodyArrives(t *testing.T) {
	h := openRaw(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 10))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, c)
	})
	k := h.call()
	k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000))
	if res, body := k.hear("POST"); res.StatusCode != 413 || body != "no" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	k.ends()
}

// Nor does the connection wait for a server that neither reads the rest nor closes.
func TestAnAnswerEndsABodyThatNobodyReads(t *testing.T) {
	over := make(chan struct{})
	defer close(over)
	h := openRaw(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 10))
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
		<-over
	})
	k := h.call()
	go func() {
		_, _ = io.Copy(k, io.MultiReader(strings.NewReader("POST / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 1000000000\r\n\r\n"), endless{}))
	}()
	if res, body := k.hear("POST"); res.StatusCode != 413 || body != "no" {
		t.Errorf("%d %q", res.StatusCode, body)
	}
	h.eventually("nothing is carried", func() bool { return h.carried() == 0 })
}

// endless is a body.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLargeBodiesComeWholeBothWays(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		all, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.URL.Path == "/length" {
			rw.Header().Set("Content-Length", fmt.Sprint(len(all)))
		}
		_, _ = rw.Write(all)
	}))
	sent := strings.Repeat("0123456789abcdef", 100_000)
	for _, path := range []string{"/", "/length"} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(sent)
			if chunked {
				body = io.MultiReader(body)
			}
			req, _ := http.NewRequest("POST", "http://"+n.address+path, body)
			req.Host = "demo.localhost"
			res, err := (&http.Client{Timeout: patience}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil || string(got) != sent {
				t.Errorf("%s, chunked %t: %d of %d bytes, %v", path, chunked, len(got), len(sent), err)
			}
		}
	}
}

// While the way inside takes long, somebody looks whether the client still waits. The body is
// read by one alone.
func TestABodyComesWholeOverASlowWay(t *testing.T) {
	asked := make(chan struct{}, 1)
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		all, _ := io.ReadAll(r.Body)
		_, _ = rw.Write(all)
	}))
	n.behind.lag = func() time.Duration { return 4 * soon }
	var sent strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&sent, "%7d\n", i)
	}
	k := n.call()
	k.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: %d\r\n\r\n", sent.Len()))
	<-asked
	k.send(sent.String())
	if res, body := k.hear("POST"); res.StatusCode != 200 || body != sent.String() {
		t.Errorf("%d, %d of %d bytes", res.StatusCode, len(body), sent.Len())
	}
}
