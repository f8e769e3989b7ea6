// Package intent tells what an HTTP request says about the person behind it: whether
// somebody waits for its answer, and whether it shows that a workspace is used.
//
// Browsers mark their requests with Sec-Fetch-Mode (W3C Fetch Metadata) and what they do
// ahead of need with Sec-Purpose or Purpose; a request without those marks comes from a
// program that somebody runs. A page that was left open must neither bring its workspace
// back nor keep it for ever, so of a browser's requests only a navigation counts.
//
// The package is pure: headers in, a word out.
package intent

import (
	"net/http"
	"strings"
	"unicode"

	"github.com/wsctl/wsctl/internal/activity"
)

// Intent is what a request is meant for.
type Intent string

// The intents.
const (
	Wanted     Intent = "wanted"     // somebody waits for the answer
	Prefetched Intent = "prefetched" // a browser fetches ahead of a click that may never come
	Decoration Intent = "decoration" // a browser adorns a tab: icons, and files that only it looks for
	LeftOpen   Intent = "left_open"  // a page that is open already asks by itself: polling, a socket that comes back
	Watched    Intent = "watched"    // a monitor looks whether it is there
)

var whys = map[Intent]string{
	Prefetched: "a page fetched ahead of a click does not start it",
	Decoration: "an icon does not start it",
	LeftOpen:   "what an open page asks for by itself does not start it; loading the page does",
	Watched:    "a monitor does not start it",
}

// Why says why a request of this intent wakes nothing; "" for Wanted.
func (i Intent) Why() string { return whys[i] }

// Of tells from path and headers what a request is meant for.
func Of(path string, h http.Header) Intent {
	for _, mark := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := strings.ToLower(h.Get(mark)); strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || v == "preview" {
			return Prefetched
		}
	}
	if isDecoration(path) {
		return Decoration
	}
	mode := h.Get("Sec-Fetch-Mode")
	upgrade := h.Get("Upgrade") != "" && h.Get("Origin") != "" // a socket of a page; older browsers do not mark it
	switch {
	case mode != "" && mode != "navigate", mode == "" && upgrade:
		return LeftOpen
	case mode == "" && isMonitor(h.Get("User-Agent")):
		return Watched
	}
	return Wanted
}

func isDecoration(path string) bool {
	return path == "/favicon.ico" || path == "/robots.txt" || strings.HasPrefix(path, "/apple-touch-icon") ||
		strings.HasPrefix(path, "/.well-known/appspecific/")
}

// monitors are how the programs call themselves that ask for ever whether something is
// there.
var monitors = []string{"Prometheus/", "Blackbox Exporter/", "kube-probe/", "ELB-HealthChecker/", "GoogleHC/", "UptimeRobot", "Uptime-Kuma/", "Consul Health Check"}

func isMonitor(agent string) bool {
	for _, m := range monitors {
		if strings.Contains(agent, m) {
			return true
		}
	}
	return false
}

// Evidence is what a request shows of a person; ok is false for what shows nothing. A
// socket shows nothing, whoever opens it: it stays open by itself.
func Evidence(path string, h http.Header) (e activity.Evidence, ok bool) {
	if h.Get("Upgrade") != "" || Of(path, h) != Wanted {
		return "", false
	}
	if h.Get("Sec-Fetch-Mode") == "" {
		return activity.Request, true
	}
	return activity.Navigation, clicked(h)
}

// clicked tells a navigation that a person caused from a page that loads itself anew, as
// the clients of dev servers and dashboards do. Chromium and Firefox mark the former with
// Sec-Fetch-User, or as coming from no page at all; Safari does not say, and is believed.
func clicked(h http.Header) bool {
	if h.Get("Sec-Fetch-User") == "?1" || h.Get("Sec-Fetch-Site") == "none" {
		return true
	}
	agent := h.Get("User-Agent")
	return !strings.Contains(agent, "Chrome/") && !strings.Contains(agent, "Firefox/")
}

// Navigates reports whether the answer becomes a page that a person looks at, and may be
// asked for again.
func Navigates(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// maxWhat bounds how a request is called, in bytes.
const maxWhat = 80

// What names a request in a ledger: its query may hold secrets, and is left out.
func What(method, path string) string {
	s := method + " " + path
	s = strings.ToValidUTF8(s[:min(len(s), maxWhat)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // it ends up on terminals
			return '?'
		}
		return r
	}, s)
}
