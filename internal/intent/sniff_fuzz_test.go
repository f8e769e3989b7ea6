package intent

import (
	"testing"
	"time"
	"unicode"

	"github.com/wsctl/wsctl/internal/activity"
)

// Whatever a client sends, in whatever pieces: what is told of it is engagement, and names it
// without anything that a terminal could act on.
func FuzzSniffer(f *testing.F) {
	f.Add([]byte("GET /a HTTP/1.1\r\nSec-Fetch-Mode: navigate\r\n\r\n"), 7)
	f.Add([]byte("GET /\x1b[2J HTTP/1.1\r\n\r\nPOST / HTTP/1.0\r\n\r\n"), 1)
	f.Add([]byte("GET /%1b%5b2J HTTP/1.1\r\nUser-Agent: Prometheus\r\n\r\n"), 20)
	f.Add([]byte("SSH-2.0-x\r\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, piece int) {
		var s Sniffer
		now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		for piece = min(max(piece, 1), 1<<16); len(data) > 0; now = now.Add(restFor) {
			n := min(piece, len(data))
			e, what, ok := s.Look(data[:n], now)
			data = data[n:]
			if len(s.head) > maxHead {
				t.Fatalf("%d bytes are kept", len(s.head))
			}
			if !ok {
				continue
			}
			if !activity.Evidence.Engages(e) {
				t.Errorf("a request is %q", e)
			}
			for _, r := range what {
				if !unicode.IsPrint(r) {
					t.Errorf("it is called %q", what)
				}
			}
		}
	})
}
