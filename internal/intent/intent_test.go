package intent

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
)

func headers(m map[string]string) http.Header {
	h := http.Header{}
	for k, v := range m {
		h.Set(k, v)
	}
	return h
}

func TestWhatARequestIsMeantFor(t *testing.T) {
	for _, c := range []struct {
		what, path string
		headers    map[string]string
		want       Intent
	}{
		{"a program", "/", nil, Wanted},
		{"a click", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1"}, Wanted},
		{"a typed address", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}, Wanted},
		{"a program's socket", "/ws", map[string]string{"Upgrade": "websocket"}, Wanted},
		{"fetched ahead", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch;prerender"}, Prefetched},
		{"fetched ahead, older", "/", map[string]string{"Purpose": "prefetch"}, Prefetched},
		{"fetched ahead, Firefox", "/", map[string]string{"X-Moz": "prefetch"}, Prefetched},
		{"previewed, Safari", "/", map[string]string{"X-Purpose": "preview"}, Prefetched},
		{"an icon", "/favicon.ico", nil, Decoration},
		{"an icon of a phone", "/apple-touch-icon-precomposed.png", nil, Decoration},
		{"a look by developer tools", "/.well-known/appspecific/com.chrome.devtools.json", nil, Decoration},
		{"polling", "/api/state", map[string]string{"Sec-Fetch-Mode": "cors"}, LeftOpen},
		{"Vite's ping", "/", map[string]string{"Sec-Fetch-Mode": "no-cors"}, LeftOpen},
		{"a page's socket", "/", map[string]string{"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket"}, LeftOpen},
		{"a page's socket, unmarked", "/", map[string]string{"Origin": "http://demo.localhost", "Upgrade": "websocket"}, LeftOpen},
		{"a scraper", "/metrics", map[string]string{"User-Agent": "Prometheus/3.1.0"}, Watched},
	} {
		if got := Of(c.path, headers(c.headers)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

const (
	chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	safari = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"
)

func TestWhatARequestShowsOfAPerson(t *testing.T) {
	for _, c := range []struct {
		what, path string
		headers    map[string]string
		want       activity.Evidence // "": nothing
	}{
		{"a program", "/api", nil, activity.Request},
		{"a click", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1", "User-Agent": chrome}, activity.Navigation},
		{"a typed address", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none", "User-Agent": chrome}, activity.Navigation},
		{"a page that loads itself anew", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "User-Agent": chrome}, ""},
		{"a browser that does not say who navigates", "/", map[string]string{"Sec-Fetch-Mode": "navigate", "User-Agent": safari}, activity.Navigation},
		{"polling", "/api/state", map[string]string{"Sec-Fetch-Mode": "cors"}, ""},
		{"a part of a page", "/app.js", map[string]string{"Sec-Fetch-Mode": "no-cors"}, ""},
		{"an icon", "/favicon.ico", map[string]string{"Sec-Fetch-Mode": "no-cors"}, ""},
		{"fetched ahead", "/next", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch"}, ""},
		{"a page's socket", "/ws", map[string]string{"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket"}, ""},
		{"a program's socket", "/ws", map[string]string{"Upgrade": "websocket"}, ""},
		{"a scraper", "/metrics", map[string]string{"User-Agent": "Prometheus/3.1.0"}, ""},
	} {
		got, ok := Evidence(c.path, headers(c.headers))
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s: %q %v, want %q", c.what, got, ok, c.want)
		}
	}
}

func TestTheSnifferFindsRequests(t *testing.T) {
	const click = "GET /page?token=secret HTTP/1.1\r\nHost: x\r\nsec-fetch-mode: navigate\r\nSec-Fetch-User: ?1\r\n\r\n"
	const poll = "GET /state HTTP/1.1\r\nHost: x\r\nSec-Fetch-Mode: cors\r\n\r\n"
	start := time.Unix(1, 0)
	type look struct {
		piece string
		after time.Duration
	}
	for _, c := range []struct {
		name   string
		pieces []look
		want   string // what is found, a line each
		http   bool
	}{
		{"a click", []look{{click, 0}}, "navigation GET /page\n", true},
		{"a program with a body", []look{{"POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", 0}}, "request POST /run\n", true},
		{"polling", []look{{poll, 0}, {poll, time.Minute}}, "", true},
		{"a head in pieces", []look{{click[:40], 0}, {click[40:60], 0}, {click[60:], 0}}, "navigation GET /page\n", true},
		{"polling in pieces", []look{{poll[:40], 0}, {poll[40:], 0}}, "", true},
		{"two clicks within a second are one", []look{{click, 0}, {click, time.Second / 2}}, "navigation GET /page\n", true},
		{"two clicks", []look{{click, 0}, {click, 2 * time.Second}}, "navigation GET /page\nnavigation GET /page\n", true},
		{"a click after polling", []look{{poll, 0}, {click, 0}}, "navigation GET /page\n", true},
		{"another protocol", []look{{"\x16\x03\x01\x00", 0}, {"GET IT", 0}, {"", 0}}, "", false},
		{"words that begin like a request", []look{{"GET /x and so on\r\n\r\n", 0}}, "", false},
		{"a question of a browser to itself", []look{{"OPTIONS /api HTTP/1.1\r\nHost: x\r\n\r\n", 0}}, "", false},
		{"a head without an end", []look{{"GET /" + strings.Repeat("x", 20<<10), 0}, {"\r\n\r\n", 0}}, "", false},
	} {
		var s Sniffer
		var got strings.Builder
		for _, p := range c.pieces {
			if e, what, ok := s.Look([]byte(p.piece), start.Add(p.after)); ok {
				got.WriteString(string(e) + " " + what + "\n")
			}
		}
		if got.String() != c.want || s.HTTP() != c.http {
			t.Errorf("%s: %q %v, want %q", c.name, got.String(), s.HTTP(), c.want)
		}
	}
}

func BenchmarkSniffer(b *testing.B) {
	poll := []byte("GET /state HTTP/1.1\r\nHost: demo.localhost\r\nSec-Fetch-Mode: cors\r\nAccept: */*\r\n\r\n")
	var s Sniffer
	now := time.Unix(1, 0)
	for b.Loop() {
		s.Look(poll, now)
	}
}
