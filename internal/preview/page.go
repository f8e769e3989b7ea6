// Package preview makes what a browser is shown that is not a workspace's own: the preview
// page, which frames a workspace in the sizes of devices; what Inject adds to the documents
// that it frames; and the pages in place of a workspace's, such as the one that waits for
// its start, or says why there is nothing to see.
//
// Everything on them that came from a workspace or a request is text, never markup. A page
// in place of a workspace's loads nothing, so it works in any origin; where it waits, its one
// script asks again. The preview page has an origin of its own, and runs only its own scripts.
package preview

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// Page is one page, for people and for programs.
type Page struct {
	Status     int           // of HTTP
	Title      string        // a few words
	Text       string        // one sentence
	Hint       string        // what to do next; commands stand in `backticks`
	Items      []Item        // what there is instead
	RetryAfter time.Duration // > 0: asking again helps, and a browser does so by itself
	Waiting    bool          // something is under way
}

// Item is a link with what is known about it.
type Item struct{ Name, URL, About string }

//go:embed page.html
var pageHTML string

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"code": pieces}).Parse(pageHTML))
})

// piece is a part of a sentence.
type piece struct {
	Text string
	Code bool
}

// pieces parts a sentence at its `backticks`.
func pieces(s string) []piece {
	var out []piece
	for i, part := range strings.Split(s, "`") {
		if part != "" {
			out = append(out, piece{Text: part, Code: i%2 == 1})
		}
	}
	return out
}

// Seconds is RetryAfter as a header has it: whole seconds, at least one; 0 for none.
func (p Page) Seconds() int {
	if p.RetryAfter <= 0 {
		return 0
	}
	return max(1, int((p.RetryAfter+time.Second-1)/time.Second))
}

// again asks again after data-seconds. To load an address that has a fragment, as a refresh
// does, is a step within the document (HTML, 7.4.2.2): such a page would wait for ever. To reload
// what came by POST a browser asks the person first.
const again = `setTimeout(() => (location.hash ? location.reload() : location.replace(location.href)), document.currentScript.dataset.seconds * 1000)`

// Again is that script as part of the page.
func (p Page) Again() template.JS { return again }

// pagePolicy lets a page run that script, have a style and no more.
var pagePolicy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(again))
	return "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
})

// Answer is the page as a response: markup for a browser that shows it, else plain text.
func (p Page) Answer(browser bool) (http.Header, []byte) {
	h := http.Header{
		"Cache-Control":          {"no-store"},
		"X-Content-Type-Options": {"nosniff"},
		api.DoorField:            {"front-door"}, // this is not the workspace speaking
	}
	if s := p.Seconds(); s > 0 {
		h.Set("Retry-After", strconv.Itoa(s))
	}
	if !browser {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		return h, []byte(p.plain())
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy())
	h.Set("Referrer-Policy", "no-referrer")
	var body bytes.Buffer
	if err := page().Execute(&body, p); err != nil { // the template is ours: this cannot happen with any Page
		return h, []byte(p.plain())
	}
	return h, body.Bytes()
}

func (p Page) plain() string {
	var b strings.Builder
	b.WriteString("wsd: " + p.Text + "\n")
	if p.Hint != "" {
		b.WriteString("hint: " + p.Hint + "\n")
	}
	for _, i := range p.Items {
		b.WriteString("  " + strings.TrimSpace(i.URL+"  "+i.About) + "\n")
	}
	return b.String()
}
