package preview

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	htmltoken "golang.org/x/net/html"

	"github.com/wsctl/wsctl/internal/csp"
)

// Paths on every host of a workspace at which the front door answers by itself.
const (
	HelperPath = "/@wsd/helper.js" // the script that Inject adds
	ClearPath  = "/@wsd/clear"     // has a browser forget what its query names: see Cleared
)

const (
	headRoom      = 64 << 10 // of a document is looked at for the place of the script, in bytes
	overriddenLen = 200      // of what forbade framing is told
)

// AskPlainly changes a request for a document so that Inject can read the answer: neither
// packed nor left out because the browser has it.
func AskPlainly(h http.Header) {
	h.Set("Accept-Encoding", "identity")
	h.Del("If-None-Match")
	h.Del("If-Modified-Since")
}

// Inject makes res, which answers a request for a document in a frame of the preview page
// at the origin shell, show there: that page may frame it beside those who may already, and
// a script is added that tells the page what happens in the frame. The body may
// get longer by it; ContentLength follows. It reports whether the body was changed.
//
// The script is left out where it would not run, or the answer is no HTML that can be read.
// No cache keeps what was changed: it is for that page alone.
func Inject(res *http.Response, shell string) bool {
	overridden := allowFraming(res.Header, shell)
	if overridden != "" {
		res.Header.Set("Cache-Control", "no-store")
	}
	nonce, allowed := mayRun(csp.Parse(res.Header["Content-Security-Policy"]))
	if !allowed || !isReadable(res) {
		return false
	}
	tag := scriptTag(shell, nonce, overridden)
	res.Body = struct {
		io.Reader
		io.Closer
	}{insert(res.Body, tag), res.Body}
	if res.ContentLength >= 0 {
		res.ContentLength += int64(len(tag))
	}
	for _, name := range []string{"Etag", "Last-Modified", "Content-Md5", "Digest", "Content-Digest", "Repr-Digest", "Accept-Ranges"} {
		res.Header.Del(name) // they are of the document without it
	}
	res.Header.Set("Cache-Control", "no-store")
	return true
}

// isReadable reports whether the body of res is a document that is shown, in an encoding
// that has ASCII in its place, and not packed.
func isReadable(res *http.Response) bool {
	if res.ContentLength == 0 || isSaved(res.Header) || res.StatusCode == http.StatusPartialContent || res.Header.Get("Content-Encoding") != "" {
		return false
	}
	kind, params, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && kind == "text/html" && !strings.HasPrefix(strings.ToLower(params["charset"]), "utf-16")
}

// isSaved reports whether a browser makes a file of an answer, which it does for every
// disposition that is not inline (RFC 6266, 4.2).
func isSaved(h http.Header) bool {
	disposition, _, _ := strings.Cut(h.Get("Content-Disposition"), ";")
	disposition = strings.TrimSpace(disposition)
	return disposition != "" && !strings.EqualFold(disposition, "inline")
}

func scriptTag(shell, nonce, overridden string) string {
	src := HelperPath
	if overridden != "" {
		src += "?overridden=" + url.QueryEscape(overridden[:min(len(overridden), overriddenLen)])
	}
	tag := fmt.Sprintf(`<script src="%s" data-shell="%s"`, html.EscapeString(src), html.EscapeString(shell))
	if nonce != "" {
		tag += fmt.Sprintf(` nonce="%s"`, html.EscapeString(nonce))
	}
	return tag + "></script>"
}

// allowFraming lets shell frame the answer beside those who may already, and says what
// forbade it; "": nothing.
func allowFraming(h http.Header, shell string) (overridden string) {
	policies := csp.Parse(h["Content-Security-Policy"])
	named := false
	for i, p := range policies {
		d, ok := p.Get(ancestors)
		named = named || ok
		if ok && !mayFrame(d, shell) {
			overridden = d.String()
			policies[i] = p.With(widened(d, shell))
		}
	}
	if options := h["X-Frame-Options"]; !named && forbidFraming(options) { // with frame-ancestors browsers do not look at it
		overridden = "X-Frame-Options: " + strings.Join(options, ", ")
		policies = append(policies, csp.Policy{widened(csp.Directive{Name: ancestors}, shell)})
	}
	if overridden == "" {
		return ""
	}
	h.Del("X-Frame-Options")
	h.Del("Content-Security-Policy")
	for _, p := range policies {
		h.Add("Content-Security-Policy", p.String())
	}
	return overridden
}

const ancestors = "frame-ancestors"

// mayFrame reports whether d names shell, or everybody.
func mayFrame(d csp.Directive, shell string) bool {
	return d.Has(shell) || d.Has("*") || d.Has("http:")
}

// widened is d with leave for the document's own origin and for shell.
func widened(d csp.Directive, shell string) csp.Directive {
	values := slices.DeleteFunc(slices.Clone(d.Values), func(v string) bool { return strings.EqualFold(v, "'none'") })
	if !d.Has("'self'") {
		values = append(values, "'self'")
	}
	return csp.Directive{Name: d.Name, Values: append(values, shell)}
}

// forbidFraming reports whether a browser does what X-Frame-Options says, which it does of
// these words alone (WHATWG HTML, 7.6).
func forbidFraming(options []string) bool {
	said := map[string]bool{}
	for word := range strings.SplitSeq(strings.ToLower(strings.Join(options, ",")), ",") {
		said[strings.TrimSpace(word)] = true
	}
	return said["deny"] || said["sameorigin"] || said["allowall"] && len(said) > 1
}

// mayRun reports whether all policies let a script of the document's own origin run, and
// the nonce that it needs for that; "": none.
func mayRun(policies []csp.Policy) (nonce string, ok bool) {
	for _, p := range policies {
		one, ok := mayRunUnder(p)
		if !ok || one != "" && nonce != "" && one != nonce {
			return "", false
		}
		if one != "" {
			nonce = one
		}
	}
	return nonce, true
}

// mayRunUnder is mayRun for one policy (CSP level 3, 6.7.1.1).
func mayRunUnder(p csp.Policy) (nonce string, ok bool) {
	if d, ok := p.Get("sandbox"); ok && !d.Has("allow-scripts") {
		return "", false
	}
	for _, name := range []string{"script-src-elem", "script-src", "default-src"} {
		if d, ok := p.Get(name); ok {
			return allows(d)
		}
	}
	return "", true
}

func allows(d csp.Directive) (nonce string, ok bool) {
	for _, s := range d.Values {
		if len(s) > len("'nonce-'") && strings.EqualFold(s[:7], "'nonce-") {
			return strings.TrimSuffix(s[7:], "'"), true
		}
	}
	if d.Has("'strict-dynamic'") {
		return "", false
	}
	return "", d.Has("'self'") || d.Has("*") || d.Has("http:")
}

// insert is body with tag at the first place where a script runs before all others and
// changes nothing else: after <head>, or before the first thing that is no part of what
// may stand before it. Nothing of the body is read ahead of need.
func insert(body io.Reader, tag string) io.Reader { return &inserted{body: body, tag: tag} }

type inserted struct {
	body io.Reader
	tag  string
	rest io.Reader // once the place is known
}

func (i *inserted) Read(p []byte) (int, error) {
	if i.rest == nil {
		seen, at, err := placeOf(i.body)
		parts := []io.Reader{bytes.NewReader(seen[:at]), strings.NewReader(i.tag), bytes.NewReader(seen[at:])}
		if err != nil {
			parts = append(parts, failing{err})
		} else {
			parts = append(parts, i.body)
		}
		i.rest = io.MultiReader(parts...)
	}
	return i.rest.Read(p)
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

// placeOf reads as much of a document as it takes to find the place of a script, and
// returns what it has read and the place in it. An error is one of body, not its end.
func placeOf(body io.Reader) (seen []byte, at int, err error) {
	var read bytes.Buffer
	source := &until{from: io.TeeReader(body, &read)}
	z := htmltoken.NewTokenizer(source)
	z.SetMaxBuf(headRoom)
	for {
		kind := z.Next()
		raw := len(z.Raw())
		switch {
		case kind == htmltoken.ErrorToken:
			return read.Bytes(), at, source.err
		case kind == htmltoken.StartTagToken || kind == htmltoken.SelfClosingTagToken:
			name, _ := z.TagName()
			if string(name) == "head" {
				return read.Bytes(), at + raw, nil
			}
			if string(name) != "html" {
				return read.Bytes(), at, nil
			}
		case kind == htmltoken.DoctypeToken, kind == htmltoken.CommentToken:
		case kind == htmltoken.TextToken && len(bytes.TrimSpace(bytes.TrimPrefix(z.Raw(), []byte("\ufeff")))) == 0:
		default:
			return read.Bytes(), at, nil
		}
		at += raw
		if at > headRoom {
			return read.Bytes(), at, nil
		}
	}
}

// until remembers with what reading failed, if not by the end.
type until struct {
	from io.Reader
	err  error
}

func (u *until) Read(p []byte) (int, error) {
	n, err := u.from.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		u.err = err
	}
	return n, err
}
