package previewcheck

import (
	"bytes"
	"mime"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// page is what a look takes of a page.
type page struct {
	html     bool
	base     string // of <base href>; "": none
	scripts  []script
	policies []string // Content-Security-Policy, of the head and of <meta>
}

// script is one element of a page.
type script struct{ id, src, text string }

// maxElements bounds the scripts that are kept of one page.
const maxElements = 200

func readPage(a *answer) *page {
	p := &page{policies: a.header.Values("Content-Security-Policy")}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	p.html = media == "text/html" || media == "application/xhtml+xml" || media == "" && bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
	if p.html {
		p.parse(a.body)
	}
	return p
}

func (p *page) parse(body []byte) {
	t := html.NewTokenizer(bytes.NewReader(body))
	within := false // a script, whose text comes next
	for {
		switch t.Next() {
		case html.ErrorToken:
			return
		case html.TextToken:
			if within {
				p.scripts[len(p.scripts)-1].text = string(t.Text())
			}
			within = false
		case html.EndTagToken:
			within = false
		case html.StartTagToken, html.SelfClosingTagToken:
			within = p.element(t)
		}
	}
}

// element takes one element and reports whether it is a script that was kept.
func (p *page) element(t *html.Tokenizer) bool {
	name, more := t.TagName()
	kind := atom.Lookup(name)
	if kind != atom.Script && kind != atom.Base && kind != atom.Meta {
		return false
	}
	of := map[string]string{}
	for more && len(of) < 50 {
		var k, v []byte
		k, v, more = t.TagAttr()
		if _, twice := of[string(k)]; !twice {
			of[string(k)] = string(v)
		}
	}
	switch kind {
	case atom.Base:
		if p.base == "" {
			p.base = of["href"]
		}
	case atom.Meta:
		if strings.EqualFold(of["http-equiv"], "Content-Security-Policy") {
			p.policies = append(p.policies, of["content"])
		}
	case atom.Script:
		if len(p.scripts) < maxElements {
			p.scripts = append(p.scripts, script{of["id"], of["src"], ""})
			return true
		}
	}
	return false
}

// inline is the text of all scripts that are in the page itself.
func (p *page) inline() string {
	var b strings.Builder
	for _, s := range p.scripts {
		b.WriteString(s.text)
		b.WriteByte('\n')
	}
	return b.String()
}

// resolve is where src of a page at at leads.
func (p *page) resolve(at *url.URL, src string) (*url.URL, error) {
	from := at
	if p.base != "" {
		if b, err := at.Parse(p.base); err == nil {
			from = b
		}
	}
	return from.Parse(strings.TrimSpace(src))
}
