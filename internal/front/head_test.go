package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What net/http does not take for a request, nobody inside sees.
func TestWhatIsNoRequestIsRefusedAndEndsTheConnection(t *testing.T) {
	const host = "Host: demo.localhost\r\n"
	for what, c := range map[string]struct {
		sent   string
		status int
	}{
		"no line of a request":        {"nonsense\r\n\r\n", 400},
		"an empty line":               {"\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 400},
		"no host":                     {"GET / HTTP/1.1\r\n\r\n", 400},
		"two hosts":                   {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"a host with a space":         {"GET / HTTP/1.1\r\nHost: demo.localhost x\r\n\r\n", 400},
		"a space before a colon":      {"POST / HTTP/1.1\r\n" + host + "Content-Length : 3\r\n\r\nabc", 400},
		"a fold before all":           {"GET / HTTP/1.1\r\n " + host + "\r\n", 400},
		"no colon":                    {"GET / HTTP/1.1\r\n" + host + "Field\r\n\r\n", 400},
		"a control character":         {"GET / HTTP/1.1\r\n" + host + "Field: a\x00b\r\n\r\n", 400},
		"a carriage return in a line": {"GET / HTTP/1.1\r\n" + host + "Field: a\rTransfer-Encoding: chunked\r\n\r\n", 400},
		"two lengths":                 {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
		"a length with a sign":        {"POST / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\nabc", 400},
		"a list of lengths":           {"POST / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\nabc", 400},
		"another coding":              {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
		"the identity coding":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400},
		"two codings":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		"a coding with a tab":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400},
		"HTTP/2":                      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		"a tunnel":                    {"CONNECT demo.localhost:80 HTTP/1.1\r\n" + host + "\r\n", 405},
		"a target that is none":       {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
		"another kind of address":     {"GET mailto:x HTTP/1.1\r\n" + host + "\r\n", 400},
		"an unknown expectation":      {"GET / HTTP/1.1\r\n" + host + "Expect: more\r\n\r\n", 417},
		"too large a head":            {"GET / HTTP/1.1\r\n" + host + "Field: " + strings.Repeat("x", 2*maxHead) + "\r\n\r\n", 431},
	} {
		n := openNames(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Errorf("%s: the inside sees it", what) }))
		k := n.call()
		go func() { _, _ = io.WriteString(k, c.sent) }() // it may be refused before all is sent
		res, _ := k.hear("GET")
		if res.StatusCode != c.status || !res.Close || res.Header.Get("Wsd-Answer") == "" {
			t.Errorf("%s: %d, close: %t, %v", what, res.StatusCode, res.Close, res.Header)
		}
		_ = k.CloseWrite()
		k.ends()
		n.stop()
	}
}

// A body has one length inside, whatever was said of it.
func TestABodyIsFramedByTheDoor(t *testing.T) {
	heads := make(chan string, 1)
	h := openRaw(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		heads <- fmt.Sprintln(req.ContentLength, req.TransferEncoding, req.Header["Content-Length"], string(body), err)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
	})
	for sent, want := range map[string]string{
		"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n": "-1 [chunked] [] abc <nil>",
		"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc":                            "3 [] [3] abc <nil>",
		"Connection: content-length\r\nContent-Length: 3\r\n\r\nabc":                   "3 [] [3] abc <nil>",
		"Content-Length: 0\r\n\r\n":                                                    "0 [] [0]  <nil>",
		"\r\n":                                                                         "0 [] [0]  <nil>",
	} {
		k := h.call()
		k.send("POST / HTTP/1.1\r\nHost: demo.localhost\r\n" + sent)
		k.hear("POST")
		if got := strings.TrimSpace(<-heads); got != want {
			t.Errorf("%q: %s, want %s", sent, got, want)
		}
	}
}

func TestAHeadThatComesSlowlyIsNotAwaitedForEver(t *testing.T) {
	h := open(t, 10, answerer(new([]string), new(sync.Mutex), short))
	h.headTime = time.Second
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	k := h.call()
	k.get("/")
	silent := h.call()
	k.send("GET / HTTP/1.1\r\nHost: demo")
	k.ends()
	silent.ends() // nor is one that never begins
}
