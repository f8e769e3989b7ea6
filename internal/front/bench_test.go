package front

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// page answers every request on a connection with the same bytes, which costs as little as
// a server can.
func page(c *net.TCPConn) {
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	r := bufio.NewReader(c)
	for {
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// cpu is what this process has used so far, in nanoseconds: less moved by what else the
// machine does than time is.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkRequest is one request on a kept connection: by the leased port, whose bytes are
// copied, by name, and without the door.
func BenchmarkRequest(b *testing.B) {
	h := open(b, 100, page)
	h.run("127.0.0.1:0")
	h.eventually("names are served", func() bool { return h.NamesAddress() != "" })
	for name, address := range map[string]string{"port": fmt.Sprintf("127.0.0.1:%d", h.port), "name": h.NamesAddress(), "direct": h.behind.addr} {
		b.Run(name, func(b *testing.B) {
			c, err := net.Dial("tcp", address)
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			r := bufio.NewReader(c)
			b.ReportAllocs()
			began := cpu()
			for b.Loop() {
				if _, err := io.WriteString(c, "GET /some/page?x=1 HTTP/1.1\r\nHost: demo.localhost\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
			}
			b.ReportMetric(float64(cpu()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
