package front

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// answerer is a server that reads heads and answers each with the next of answers, then
// closes: without an announcement, as servers do that keep nobody for long.
func answerer(seen *[]string, mu *sync.Mutex, answers ...string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for _, answer := range answers {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			mu.Lock()
			*seen = append(*seen, req.Method+req.URL.Path)
			mu.Unlock()
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	}
}

const short = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestAServerThatClosesBetweenRequestsIsReachedAnew(t *testing.T) {
	var seen []string
	var mu sync.Mutex
	h := openRaw(t, answerer(&seen, &mu, short))
	k := h.call()
	for i := range 3 {
		k.send(fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: demo.localhost\r\nContent-Length: 1\r\n\r\nx", i))
		if res, body := k.hear("POST"); res.StatusCode != 200 || body != "ok" {
			t.Errorf("%d %q", res.StatusCode, body)
		}
		h.eventually("its end has come", func() bool { return h.ended() })
	}
}

// ended reports whether the end of the server's half has come to the door.
func (h *house) ended() bool {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return true
	}
	_, port, _ := net.SplitHostPort(h.behind.addr)
	var number int
	_, _ = fmt.Sscan(port, &number)
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", number)) && f[3] == "01" { // the door's end is established
			return false
		}
	}
	return true
}

// A server that said that it closes is not asked again, though it has not done so yet.
func TestAServerThatSaysThatItClosesIsReachedAnew(t *testing.T) {
	done := make(chan struct{})
	defer close(done)
	h := openRaw(t, func(c *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			<-done
		}
	})
	k := h.call()
	for range 2 {
		if res, body := k.get("/"); res.Close || body != "ok" {
			t.Errorf("%q, close: %t", body, res.Close)
		}
	}
}

// A server may close just when a request comes. Only one that may be made twice is.
func TestARequestThatMeetsTheEndOfItsConnectionIsMadeAgainIfItMayBe(t *testing.T) {
	for method, want := range map[string]int{"GET": 200, "POST": 502, "DELETE": 502} {
		var seen []string
		var mu sync.Mutex
		h := openRaw(t, answerer(&seen, &mu, short, "")) // it reads the second, and closes
		k := h.call()
		k.get("/1")
		k.send(method + " /2 HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
		if res, _ := k.hear(method); res.StatusCode != want {
			t.Errorf("%s: %d", method, res.StatusCode)
		}
		mu.Lock()
		times := 0
		for _, s := range seen {
			if s == method+"/2" {
				times++
			}
		}
		if times != 1+min(1, 502-want) {
			t.Errorf("%s was made %d times: %v", method, times, seen)
		}
		mu.Unlock()
		h.stop()
	}
}

// An answer that nobody asked for must not become that to the next request.
func TestWhatAServerSaysUnaskedIsNoAnswer(t *testing.T) {
	var seen []string
	var mu sync.Mutex
	forged := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	h := openRaw(t, answerer(&seen, &mu, short+forged, short+forged))
	k := h.call()
	for range 3 {
		if _, body := k.get("/"); body != "ok" {
			t.Errorf("it is answered %q", body)
		}
	}
	_ = k.Close()
	h.eventually("it is given up", func() bool { return h.carried() == 0 })
	if _, body := h.call().get("/"); body != "ok" || h.behind.reached() != 4 {
		t.Errorf("another connection is answered %q, and the inside was reached %d times", body, h.behind.reached())
	}
}

func TestAnswersKeepTheirMeaning(t *testing.T) {
	for what, c := range map[string]struct {
		method, answer string
		status         int
		body           string
		length         int64
		fields         string // of the answer
	}{
		"a length":            {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\nok", 200, "ok", 2, "X-End: 2"},
		"chunks":              {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n1\r\no\r\n1;a=b\r\nk\r\n0\r\nX-Sum: 7\r\n\r\n", 200, "ok", -1, ""},
		"both":                {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 50\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200, "ok", -1, ""},
		"until the end":       {"GET", "HTTP/1.0 200 OK\r\n\r\nok", 200, "ok", -1, ""},
		"bare newlines":       {"GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, "ok", 2, ""},
		"HEAD":                {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", 200, "", 99, ""},
		"204":                 {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", 0, ""},
		"304":                 {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\nEtag: \"x\"\r\n\r\n", 304, "", 0, `Etag: "x"`},
		"an early hint":       {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", 2, ""},
		"a status of its own": {"GET", "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok", 799, "ok", 2, ""},
		"nonsense":            {"GET", "SSH-2.0-x\r\n\r\n", 502, "*", 0, ""},
		"silence":             {"GET", "", 502, "*", 0, ""},
		"two lengths":         {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 502, "*", 0, ""},
		"an endless head":     {"GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 2*maxAnswerHead), 502, "*", 0, ""},
		"a low status":        {"GET", "HTTP/1.1 099 OK\r\nContent-Length: 2\r\n\r\nok", 502, "*", 0, ""},
	} {
		var seen []string
		var mu sync.Mutex
		h := openRaw(t, answerer(&seen, &mu, c.answer))
		k := h.call()
		for range 2 { // the second finds that the first has left nothing behind
			k.send(c.method + " / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
			res, body := k.hear(c.method)
			if res.StatusCode == 103 {
				res, body = k.hear(c.method)
			}
			if res.StatusCode != c.status || body != c.body && c.body != "*" || c.body != "*" && res.ContentLength != c.length {
				t.Errorf("%s: %d %q, length %d", what, res.StatusCode, body, res.ContentLength)
			}
			if name, value, ok := strings.Cut(c.fields, ": "); ok && res.Header.Get(name) != value || res.Header.Get("Keep-Alive")+res.Header.Get("Connection")+res.Header.Get("X-Hop") != "" {
				t.Errorf("%s: %v", what, res.Header)
			}
			if what == "chunks" && res.Trailer.Get("X-Sum") != "7" {
				t.Errorf("%s: the trailer is %v", what, res.Trailer)
			}
		}
		h.stop()
	}
}

func TestAnAnswerThatBreaksOffDoesNotLookWhole(t *testing.T) {
	for what, answer := range map[string]string{
		"a length": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"chunks":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
	} {
		var seen []string
		var mu sync.Mutex
		h := openRaw(t, answerer(&seen, &mu, answer))
		k := h.call()
		k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
		res, err := http.ReadResponse(k.r, nil)
		if err == nil {
			_, err = io.ReadAll(res.Body)
		}
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: it looks whole, or as if more came: %v", what, err)
		}
		h.stop()
	}
}

func TestHTTP10IsAnsweredInKind(t *testing.T) {
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(rw).Flush() // no length
		fmt.Fprint(rw, r.Proto)
	}))
	k := n.call()
	k.send("GET / HTTP/1.0\r\nHost: demo.localhost\r\nConnection: keep-alive\r\n\r\n")
	res, body := k.hear("GET")
	if res.Proto != "HTTP/1.0" || body != "HTTP/1.1" || len(res.TransferEncoding) > 0 || !res.Close {
		t.Errorf("%s %q %v", res.Proto, body, res)
	}
}

// The head of a stream does not wait for its first event.
func TestAStreamBeginsBeforeItSaysAnything(t *testing.T) {
	more := make(chan struct{})
	n := openNames(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(rw).Flush()
		<-more
	}))
	defer close(more)
	k := n.call()
	k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\n\r\n")
	if res, err := http.ReadResponse(k.r, nil); err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v %v", res, err)
	}
}

// What says that the door itself answers is the door's word alone, wherever an answer has fields.
func TestAWorkspaceDoesNotSpeakAsTheDoor(t *testing.T) {
	const forged = "wsd-answer: front-door\r\n"
	for what, answer := range map[string]string{
		"an answer":        "HTTP/1.1 200 OK\r\n" + forged + "Content-Length: 0\r\n\r\n",
		"one ahead of it":  "HTTP/1.1 103 Early Hints\r\n" + forged + "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"what follows it":  "HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + forged + "X: y\r\n\r\n",
		"another protocol": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n" + forged + "\r\n",
	} {
		h := openRaw(t, answerer(new([]string), new(sync.Mutex), answer))
		k := h.call()
		k.send("GET / HTTP/1.1\r\nHost: demo.localhost\r\nConnection: Upgrade, close\r\nUpgrade: x\r\nTe: trailers\r\n\r\n")
		got, err := io.ReadAll(k)
		if err != nil || !strings.HasPrefix(string(got), answer[:12]) || strings.Contains(strings.ToLower(string(got)), "wsd-answer") {
			t.Errorf("%s: %q %v", what, got, err)
		}
	}
}
