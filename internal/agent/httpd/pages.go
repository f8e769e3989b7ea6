package httpd

import (
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// maxEntries is how many names of a folder are listed.
const maxEntries = 5000

// The pages need no scripts and nothing from elsewhere, so a browser may refuse all of it.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors *"

const pageHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>%s</title><style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem}
h1{font-size:1.3rem;font-weight:600;overflow-wrap:anywhere}
p{opacity:.8}
table{border-collapse:collapse;width:100%%;font-variant-numeric:tabular-nums}
td{padding:.2rem .5rem .2rem 0;border-top:1px solid #8884;overflow-wrap:anywhere}
td+td{text-align:right;white-space:nowrap;opacity:.7}
a{text-decoration:none}a:hover{text-decoration:underline}
</style></head><body><h1>%s</h1>
`

const pageEnd = "</body></html>\n"

// list returns the visible entries of dir, folders first, then by name; more reports
// that there are too many of them.
func list(dir *os.File) (entries []fs.DirEntry, more bool, err error) {
	all, err := dir.ReadDir(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	more = len(all) > maxEntries
	entries = slices.DeleteFunc(all, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") })
	slices.SortFunc(entries, func(a, b fs.DirEntry) int {
		if a.IsDir() != b.IsDir() {
			if a.IsDir() {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Name(), b.Name())
	})
	return entries, more, nil
}

// listing answers with the entries of the folder name.
func listing(w http.ResponseWriter, r *http.Request, name string, entries []fs.DirEntry, more bool) {
	var b strings.Builder
	title := "/"
	if name != "." {
		title = "/" + name + "/"
	}
	fmt.Fprintf(&b, pageHead, html.EscapeString(title), html.EscapeString(title))
	b.WriteString("<table>\n")
	if name != "." {
		b.WriteString("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n")
	}
	for _, e := range entries {
		row(&b, e)
	}
	b.WriteString("</table>\n")
	if more {
		fmt.Fprintf(&b, "<p>Only the first %d names are shown.</p>\n", maxEntries)
	}
	if len(entries) == 0 {
		b.WriteString("<p>This folder is empty.</p>\n")
	}
	b.WriteString(pageEnd)
	page(w, r, http.StatusOK, b.String())
}

func row(b *strings.Builder, e fs.DirEntry) {
	name, size, changed := e.Name(), "", ""
	if info, err := e.Info(); err == nil {
		changed = info.ModTime().UTC().Format(time.DateTime)
		size = humanSize(info.Size())
	}
	if e.IsDir() {
		name, size = name+"/", ""
	}
	// "./" keeps a name with a colon from looking like a scheme.
	link := url.URL{Path: "./" + name}
	fmt.Fprintf(b, "<tr><td><a href=\"%s\">%s</a></td><td>%s</td><td>%s</td></tr>\n",
		html.EscapeString(link.EscapedPath()), html.EscapeString(printable(name)), size, changed)
}

// message answers with a page of one heading and one sentence.
func message(w http.ResponseWriter, r *http.Request, status int, heading, text string) {
	body := fmt.Sprintf(pageHead, html.EscapeString(heading), html.EscapeString(heading))
	if text != "" {
		body += "<p>" + html.EscapeString(printable(text)) + "</p>\n"
	}
	page(w, r, status, body+pageEnd)
}

func page(w http.ResponseWriter, r *http.Request, status int, body string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body)
	}
}

// humanSize is n bytes with three digits and a binary unit.
func humanSize(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, units := float64(n), "KMGTPE"
	for i := range units {
		f /= 1024
		if f < 999.5 || i == len(units)-1 {
			return fmt.Sprintf("%.3g %ciB", f, units[i])
		}
	}
	return ""
}
