package front

import (
	"net/http"
	"strings"
)

// intent is what a request says about the person behind it.
type intent int

const (
	wanted     intent = iota // somebody waits for the answer
	prefetched               // a browser fetches ahead of a click that may never come
	decoration               // a browser adorns a tab: icons, and files that only it looks for
	leftOpen                 // a page that is open already asks by itself: polling, a socket that comes back
)

// why says why a request of the intent wakes nothing.
func (i intent) why() string {
	return map[intent]string{
		prefetched: "a page fetched ahead of a click does not start it",
		decoration: "an icon does not start it",
		leftOpen:   "what an open page asks for by itself does not start it; loading the page does",
	}[i]
}

// intentOf tells from the headers what a request is. Browsers mark theirs with
// Sec-Fetch-Mode (W3C Fetch Metadata) and what they do ahead of need with Sec-Purpose or
// Purpose; a request without those marks comes from a program that somebody runs.
//
// A page that was left open must not bring its workspace back for ever, so of a browser's
// requests only a navigation counts.
func intentOf(r *http.Request) intent {
	h := r.Header
	for _, mark := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if v := strings.ToLower(h.Get(mark)); strings.Contains(v, "prefetch") || strings.Contains(v, "prerender") || v == "preview" {
			return prefetched
		}
	}
	if isDecoration(r.URL.Path) {
		return decoration
	}
	mode := h.Get("Sec-Fetch-Mode")
	upgrade := h.Get("Upgrade") != "" && h.Get("Origin") != "" // a socket of a page; older browsers do not mark it
	if mode != "" && mode != "navigate" || mode == "" && upgrade {
		return leftOpen
	}
	return wanted
}

func isDecoration(path string) bool {
	return path == "/favicon.ico" || path == "/robots.txt" || strings.HasPrefix(path, "/apple-touch-icon") ||
		strings.HasPrefix(path, "/.well-known/appspecific/")
}

// navigates reports whether the answer becomes a page that a person looks at, and may be
// asked for again.
func navigates(r *http.Request) bool {
	if r.Method != http.MethodGet {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
