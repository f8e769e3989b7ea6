package front

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	trafficOf   = flag.Int("traffic", 25, "requests of each client of TestTraffic")
	trafficSeed = flag.Uint64("traffic-seed", 1, "number of its first request; 0: another each time")
)

// plan is one exchange. Both sides make it from its number, which is the request's path.
type plan struct {
	n       uint64
	method  string
	version string
	coding  string // of the request's body: "", "length" or "chunked"
	body    []byte
	expects bool   // leave to send it
	upgrade bool   // to a protocol that says everything back
	framed  bool   // in the preview page
	leaves  string // where the client goes away: "", "body", "wait" or "answer"

	slow    time.Duration // until the answer
	reads   int           // of the body before the answer; -1: all
	stalls  bool          // the rest of it is never read
	hints   int           // ahead of the answer
	status  int
	framing string // "length", "chunked" or "end"
	answer  []byte
	breaks  bool   // it breaks off
	ends    string // the connection after it: "", "said" or "silent"
}

func planOf(n uint64) plan {
	r := rand.New(rand.NewPCG(n, 1))
	once := func(in int) bool { return r.IntN(in) == 0 }
	one := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func() []byte {
		b := make([]byte, r.IntN([]int{2, 100, 5_000, 20_000, 300_000}[r.IntN(5)]))
		for i := range b {
			b[i] = byte('a' + r.IntN(26))
		}
		return b
	}
	p := plan{
		n: n, method: one("GET", "GET", "HEAD", "POST", "PUT"), version: one("1.1", "1.1", "1.1", "1.0"), reads: -1, status: 200,
		framing: one("length", "length", "chunked", "end"), answer: some(), hints: max(0, r.IntN(6)-4), ends: one("", "", "", "", "said", "silent"),
	}
	if once(10) {
		p.status, p.answer = []int{204, 304}[r.IntN(2)], nil
	}
	if p.method == "POST" || p.method == "PUT" {
		p.body, p.coding = some(), "length"
		if p.version == "1.1" {
			p.coding, p.expects = one("length", "chunked"), once(8)
		}
	}
	if once(8) {
		p.slow = time.Duration(r.IntN(150)) * time.Millisecond
	}
	switch {
	case p.body != nil && once(8):
		p.reads, p.framing = r.IntN(len(p.body)+1), one("length", "chunked")
		if p.stalls = once(2); p.stalls {
			p.ends = "said"
		}
	case p.method == "GET" && p.version == "1.1" && once(12):
		p.upgrade = true
	case p.method == "GET" && p.status == 200 && len(p.answer) > 0 && once(4):
		p.framed = true
	case once(15):
		p.leaves = one("body", "wait", "answer")
	case p.method != "HEAD" && len(p.answer) > 1 && p.framing != "end" && once(15):
		p.breaks = true
	}
	return p
}

// isLast reports whether nothing follows p over its connection.
func (p plan) isLast() bool {
	return p.expects || p.upgrade || p.leaves != "" || p.reads >= 0 || p.breaks
}

// mayRepeat reports whether the door may make the request twice.
func (p plan) mayRepeat() bool { return isSafe(p.method) && p.coding == "" }

func (p plan) String() string {
	body, answer := len(p.body), len(p.answer)
	p.body, p.answer = nil, nil
	type bare plan
	return fmt.Sprintf("%+v with a body of %d bytes and an answer of %d", bare(p), body, answer)
}

// head is that of the request.
func (p plan) head() string {
	host := []string{"demo.localhost", "demo.localhost", "5173.demo.localhost"}[p.n%3]
	head := fmt.Sprintf("%s /%d HTTP/%s\r\nHost: %s\r\n", p.method, p.n, p.version, host)
	switch p.coding {
	case "length":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(p.body))
	case "chunked":
		head += "Transfer-Encoding: chunked\r\n"
	}
	if p.version == "1.0" {
		head += "Connection: keep-alive\r\n"
	}
	if p.expects {
		head += "Expect: 100-continue\r\n"
	}
	if p.upgrade {
		head += "Connection: Upgrade\r\nUpgrade: x\r\n"
	}
	if p.framed {
		head += "Sec-Fetch-Dest: iframe\r\nSec-Fetch-Site: same-site\r\n"
	}
	return head + "\r\n"
}

// response is all of the answer that the server sends.
func (p plan) response(r *rand.Rand) []byte {
	head := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", p.hints) + fmt.Sprintf("HTTP/1.1 %d X\r\nN: %d\r\nContent-Type: text/html\r\n", p.status, p.n)
	if p.ends == "said" {
		head += "Connection: close\r\n"
	}
	body := inCoding(p.answer, p.framing, r)
	switch {
	case p.status != 200:
		body = nil
	case p.framing == "length":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(p.answer))
	case p.framing == "chunked":
		head += "Transfer-Encoding: chunked\r\n"
	}
	switch {
	case p.method == "HEAD":
		body = nil
	case p.breaks:
		body = body[:len(body)/2]
	}
	return append([]byte(head+"\r\n"), body...)
}

// inCoding is b in a transfer coding, in chunks of odd sizes.
func inCoding(b []byte, coding string, r *rand.Rand) []byte {
	if coding != "chunked" {
		return b
	}
	var out bytes.Buffer
	for len(b) > 0 {
		n := 1 + r.IntN(len(b))
		fmt.Fprintf(&out, "%x\r\n%s\r\n", n, b[:n])
		b = b[n:]
	}
	out.WriteString("0\r\n\r\n")
	return out.Bytes()
}

// dribble writes b in pieces of odd sizes, a moment apart now and then.
func dribble(w io.Writer, b []byte, r *rand.Rand) error {
	for len(b) > 0 {
		n := 1 + r.IntN(len(b))
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
		if r.IntN(3) == 0 {
			time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
		}
	}
	return nil
}

// common is how many bytes a and b have in common.
func common(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// planned is a server that does what the plans say.
type planned struct {
	t    *testing.T
	over chan struct{}
	mu   sync.Mutex
	seen map[uint64]int // how often each request came
}

func (s *planned) saw(n uint64, more int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[n] += more
	return s.seen[n]
}

func (s *planned) serve(c *net.TCPConn) {
	r := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			if !isLost(err) {
				s.t.Errorf("what comes inside is no request: %v", err)
			}
			return
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(req.URL.Path, "/"), 10, 64)
		if err != nil {
			s.t.Errorf("%q comes inside", req.URL.Path)
			return
		}
		if !s.exchange(c, r, req, planOf(n)) {
			return
		}
	}
}

func (s *planned) exchange(c *net.TCPConn, r *bufio.Reader, req *http.Request, p plan) (goesOn bool) {
	rnd := rand.New(rand.NewPCG(p.n, 2))
	if p.expects && rnd.IntN(2) == 0 {
		_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	time.Sleep(p.slow)
	if p.reads >= 0 {
		_, _ = io.CopyN(io.Discard, req.Body, int64(p.reads))
	} else if body, err := io.ReadAll(req.Body); err != nil {
		return false // the client has gone
	} else if !bytes.Equal(body, p.body) || req.Method != p.method {
		s.t.Errorf("%v came as %s with %d bytes, of which the first %d are right", p, req.Method, len(body), common(body, p.body))
	}
	s.saw(p.n, 1)
	if p.upgrade {
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello")
		_, _ = io.Copy(c, r)
		return false
	}
	if dribble(c, p.response(rnd), rnd) != nil || p.breaks {
		return false
	}
	if p.stalls {
		<-s.over
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	return p.ends == "" && (p.framing != "end" || p.method == "HEAD" || p.status != 200)
}

// asker is a client that does what the plans say.
type asker struct {
	h    *house
	s    *planned
	rnd  *rand.Rand
	conn *kept // nil: none
	lost int   // requests that met the end of a kept connection and may not be made again
}

// ask sends the requests of ps, and hears their answers meanwhile.
func (a *asker) ask(ps []plan) {
	if a.conn == nil {
		a.conn = a.h.call()
	}
	k, granted := a.conn, make(chan struct{}, 1)
	_ = k.SetDeadline(time.Now().Add(patience))
	rnd := rand.New(rand.NewPCG(a.rnd.Uint64(), 3))
	var sending sync.WaitGroup
	sending.Go(func() {
		for _, p := range ps {
			head, body := []byte(p.head()), inCoding(p.body, p.coding, rnd)
			if p.upgrade {
				body = p.answer
			}
			if p.leaves == "body" {
				_ = dribble(k, append(head, body...)[:(len(head)+len(body))/2], rnd)
				return
			}
			if p.expects {
				_ = dribble(k, head, rnd)
				select {
				case <-granted:
				case <-time.After(100 * time.Millisecond): // not all servers know of it
				}
				head = nil
			}
			if dribble(k, append(head, body...), rnd) != nil {
				return
			}
		}
	})
	defer sending.Wait()
	for _, p := range ps {
		if p.leaves == "body" {
			sending.Wait()
		}
		if p.leaves == "body" || p.leaves == "wait" {
			time.Sleep(time.Duration(a.rnd.IntN(80)) * time.Millisecond)
		} else if a.hear(k, p, granted, sending.Wait) {
			continue
		}
		_ = k.Close()
		a.conn = nil
		return
	}
}

// hear reads the answer to p and reports whether the connection goes on.
func (a *asker) hear(k *kept, p plan, granted chan<- struct{}, sent func()) bool {
	res, err := http.ReadResponse(k.r, &http.Request{Method: p.method})
	for ; err == nil && (res.StatusCode == 100 || res.StatusCode == 103); res, err = http.ReadResponse(k.r, &http.Request{Method: p.method}) {
		if res.StatusCode == 100 {
			granted <- struct{}{}
		}
	}
	if err != nil {
		k.t.Errorf("%v: there is no answer: %v", p, err)
		return false
	}
	want := p.answer
	switch {
	case p.leaves == "answer":
		_, _ = io.CopyN(io.Discard, res.Body, int64(len(want)/2))
		return false
	case res.StatusCode == 502 && !p.mayRepeat() && a.s.saw(p.n, 0) == 0:
		a.lost++
		return false
	case p.upgrade:
		want = append([]byte("hello"), want...)
		res.StatusCode, res.Body = p.status, io.NopCloser(k.r)
		res.Header.Set("N", fmt.Sprint(p.n))
		go func() {
			sent()
			_ = k.CloseWrite()
		}()
	case p.framed:
		want = append([]byte(`<script src="/@wsd/helper.js" data-shell="http://preview.demo.localhost"></script>`), want...)
	case p.method == "HEAD":
		want = nil
	}
	got, err := io.ReadAll(res.Body)
	switch {
	case p.breaks && (err == nil || !bytes.HasPrefix(want, got)):
		k.t.Errorf("%v: what breaks off looks whole, or is another: %d bytes, of which the first %d are right, %v", p, len(got), common(got, want), err)
	case !p.breaks && (err != nil || res.StatusCode != p.status || res.Header.Get("N") != fmt.Sprint(p.n) || !bytes.Equal(got, want)):
		k.t.Errorf("%v: %d with %d bytes, of which the first %d are right, %v", p, res.StatusCode, len(got), common(got, want), err)
	default:
		return !res.Close && !p.isLast()
	}
	return false
}

// Whatever clients and servers do at once, every body comes as it was sent, each answer
// belongs to its request, what may not be made twice is not, and nothing is left over.
func TestTraffic(t *testing.T) {
	const clients = 8
	seed := *trafficSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixMilli()) * 1_000_000 //nolint:gosec // it is positive
	}
	t.Logf("-traffic-seed %d", seed)
	s := &planned{t: t, over: make(chan struct{}), seen: make(map[uint64]int)}
	h := open(t, 1000, s.serve)
	defer close(s.over)
	var mu sync.Mutex
	lags := rand.New(rand.NewPCG(seed, 4))
	h.behind.lag = func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(max(0, lags.IntN(800)-600)) * time.Millisecond
	}
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	defer h.previews.enter(demo().ID)()
	askers := make([]asker, clients)
	var group sync.WaitGroup
	for i := range askers {
		askers[i] = asker{h: h, s: s, rnd: rand.New(rand.NewPCG(seed, uint64(i)))}
		group.Go(func() {
			a := &askers[i]
			for n, end := seed+uint64(i*1_000_000), *trafficOf; end > 0; {
				var ps []plan
				for more := true; more && end > 0; {
					p := planOf(n)
					ps = append(ps, p)
					n, end = n+1, end-1
					more = p.version == "1.1" && !p.isLast() && a.rnd.IntN(3) == 0
				}
				a.ask(ps)
			}
			if a.conn != nil {
				_ = a.conn.Close()
			}
		})
	}
	group.Wait()
	h.eventually("nothing is carried", func() bool { return h.carried() == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	for n, times := range s.seen {
		if p := planOf(n); times > 1 && !p.mayRepeat() {
			t.Errorf("%v came %d times", p, times)
		}
	}
	lost := 0
	for _, a := range askers {
		lost += a.lost
	}
	t.Logf("%d requests met the end of a kept connection", lost)
}
