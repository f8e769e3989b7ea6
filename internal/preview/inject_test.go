package preview

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wsctl/wsctl/internal/csp"
)

const origin = "http://preview.demo.localhost:7070"

func answer(body io.Reader, length int64, headers ...string) *http.Response {
	res := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body), ContentLength: length}
	for i := 0; i < len(headers); i += 2 {
		res.Header.Add(headers[i], headers[i+1])
	}
	return res
}

func TestTheScriptStandsBeforeAllOthersAndChangesNoMode(t *testing.T) {
	for before, after := range map[string]string{
		"<!doctype html><html><head>":                        "<title>x</title></head>",
		"<!DOCTYPE html>\n<HTML lang=\"a>b\">\n<HEAD x='<'>": "<script src=a></script>",
		"<!-- <head> --><head>":                              "</head>",
		"<!doctype html>\n":                                  "<title>without a head</title>",
		"\ufeff<!doctype html>":                              " words alone",
		"<!doctype html><html>":                              "<body>",
		"<head>":                                             "",
		"<!-- a comment alone -->":                           "",
		" \n":                                                "<p>",
		"":                                                   " \n&nbsp;",
		"<?xml version=\"1.0\"?>":                            "<p>",
	} {
		for name, reader := range map[string]func(io.Reader) io.Reader{"at once": func(r io.Reader) io.Reader { return r }, "in bytes": iotest.OneByteReader} {
			got, err := io.ReadAll(insert(reader(strings.NewReader(before+after)), "<TAG>"))
			if err != nil || string(got) != before+"<TAG>"+after {
				t.Errorf("%s: %q %v, want it after %q", name, got, err, before)
			}
		}
	}
}

// What follows may take long: a head that has come is passed on.
func TestADocumentIsNotReadAheadOfNeed(t *testing.T) {
	rest := make(chan struct{})
	r, w := io.Pipe()
	go func() {
		_, _ = io.WriteString(w, "<!doctype html><head><title>")
		<-rest
		_ = w.Close()
	}()
	got := make([]byte, len("<!doctype html><head><TAG><title>"))
	if _, err := io.ReadFull(insert(r, "<TAG>"), got); err != nil || string(got) != "<!doctype html><head><TAG><title>" {
		t.Errorf("%q %v", got, err)
	}
	close(rest)
}

func TestADocumentThatBreaksOffIsNotMadeWhole(t *testing.T) {
	broken := errors.New("broken")
	for _, text := range []string{"", "<!doctype html>", "<head><p>"} {
		body := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
		if got, err := io.ReadAll(insert(body, "<TAG>")); !errors.Is(err, broken) || !strings.HasPrefix(strings.Replace(string(got), "<TAG>", "", 1), text) {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
}

func TestWhatIsNoDocumentIsLeftAsItIs(t *testing.T) {
	const html = "text/html"
	for what, headers := range map[string][]string{
		"another type":                {"Content-Type", "application/json"},
		"no type":                     {},
		"packed":                      {"Content-Type", html, "Content-Encoding", "gzip"},
		"two bytes a character":       {"Content-Type", "text/html; charset=UTF-16LE"},
		"to be saved":                 {"Content-Type", html, "Content-Disposition", "Attachment; filename=a b.html"},
		"to be saved, in other words": {"Content-Type", html, "Content-Disposition", "other"},
		"scripts are forbidden":       {"Content-Type", html, "Content-Security-Policy", "script-src 'none'"},
		"none is listed":              {"Content-Type", html, "Content-Security-Policy", "script-src"},
		"others alone are allowed":    {"Content-Type", html, "Content-Security-Policy", "default-src https://cdn.example"},
		"only what others brought":    {"Content-Type", html, "Content-Security-Policy", "script-src 'self' 'strict-dynamic'"},
		"in a sandbox":                {"Content-Type", html, "Content-Security-Policy", "sandbox allow-forms"},
		"one of two policies":         {"Content-Type", html, "Content-Security-Policy", "script-src 'self', default-src 'none'"},
		"two nonces":                  {"Content-Type", html, "Content-Security-Policy", "script-src 'nonce-a'", "Content-Security-Policy", "script-src 'nonce-b'"},
		"elements forbidden, not js":  {"Content-Type", html, "Content-Security-Policy", "script-src 'self'; script-src-elem 'none'"},
	} {
		res := answer(strings.NewReader("<head>"), 6, append(headers, "Etag", "x")...)
		changed := Inject(res, origin)
		if body, _ := io.ReadAll(res.Body); changed || string(body) != "<head>" || res.ContentLength != 6 || res.Header.Get("Etag") != "x" {
			t.Errorf("%s: %q", what, body)
		}
	}
}

func TestTheScriptIsAddedAsThePolicyAllows(t *testing.T) {
	for policy, want := range map[string]string{
		"":                      "",
		"default-src 'self'":    "",
		"script-src 'Self' a.b": "",
		"img-src 'none'":        "",
		"script-src *":          "",
		"script-src 'nonce-abc' 'strict-dynamic'":            ` nonce="abc"`,
		`script-src 'nonce-a"b'`:                             ` nonce="a&#34;b"`,
		"default-src 'none'; script-src-elem 'self'":         "",
		"script-src 'self'; script-src 'none'":               "", // the first counts
		"sandbox allow-scripts; script-src 'self'":           "",
		"frame-ancestors 'none'; script-src 'NONCE-x' https": ` nonce="x"`,
	} {
		res := answer(strings.NewReader("<head>"), 6, "Content-Type", "text/html", "Content-Security-Policy", policy)
		changed := Inject(res, origin)
		body, _ := io.ReadAll(res.Body)
		if !changed || !strings.Contains(string(body), want+"></script>") || want == "" && strings.Contains(string(body), "nonce") || int64(len(body)) != res.ContentLength {
			t.Errorf("%q: %q", policy, body)
		}
	}
}

func TestADocumentThatIsShownWithANameHasTheScript(t *testing.T) {
	for _, disposition := range []string{"inline", ` INLINE ; filename="a.html"`} {
		res := answer(strings.NewReader("<head>"), 6, "Content-Type", "text/html", "Content-Disposition", disposition)
		if !Inject(res, origin) {
			t.Errorf("%q: the script is left out", disposition)
		}
	}
}

func TestFramingIsAllowedToThePreviewPageAlone(t *testing.T) {
	const allowed = "frame-ancestors 'self' " + origin
	const policy, options = "Content-Security-Policy", "X-Frame-Options"
	for _, c := range []struct {
		headers []string
		want    string // of the policies
		told    string
	}{
		{nil, "", ""},
		{[]string{options, "SAMEORIGIN"}, allowed, "X-Frame-Options: SAMEORIGIN"},
		{[]string{options, "Deny", options, "deny"}, allowed, "X-Frame-Options: Deny, deny"},
		{[]string{options, "DENY", policy, "default-src 'self'"}, "default-src 'self' | " + allowed, "X-Frame-Options: DENY"},
		{[]string{options, "allowall, x"}, allowed, "X-Frame-Options: allowall, x"},
		{[]string{policy, "default-src 'self'; Frame-Ancestors 'none'; img-src *"}, "default-src 'self'; " + allowed + "; img-src *", "frame-ancestors 'none'"},
		{[]string{policy, "frame-ancestors"}, allowed, "frame-ancestors"},
		{[]string{policy, "default-src 'self'"}, "default-src 'self'", ""},
		{[]string{options, "DENY", policy, "frame-ancestors 'none'"}, allowed, "frame-ancestors 'none'"},
		{[]string{policy, "frame-ancestors http://demo.localhost:7070 'Self'"}, "frame-ancestors http://demo.localhost:7070 'Self' " + origin, "frame-ancestors http://demo.localhost:7070 'Self'"},
		{[]string{policy, "frame-ancestors http://a.example", policy, "img-src a, frame-ancestors 'none'"}, "frame-ancestors http://a.example 'self' " + origin + " | img-src a | " + allowed, "frame-ancestors 'none'"},
		{[]string{policy, "frame-ancestors 'none', script-src 'self'"}, allowed + " | script-src 'self'", "frame-ancestors 'none'"},
		{[]string{policy, "frame-ancestors\t'none' ;script-src\t'self'"}, allowed + "; script-src 'self'", "frame-ancestors 'none'"},
	} {
		h := answer(nil, 0, c.headers...).Header
		told := allowFraming(h, origin)
		if got := strings.Join(h[policy], " | "); got != c.want || told != c.told || h.Get(options) != "" {
			t.Errorf("%q: %q, told %q", c.headers, got, told)
		}
	}
}

// What lets the preview page frame a document already, and what no browser heeds, is left.
func TestWhatForbidsNoFramingIsLeftAsItIs(t *testing.T) {
	for _, headers := range [][]string{
		{"Content-Security-Policy", "Frame-Ancestors  *;;"},
		{"Content-Security-Policy", "frame-ancestors 'self' http:"},
		{"Content-Security-Policy", "frame-ancestors " + origin, "X-Frame-Options", "DENY"},
		{"X-Frame-Options", "ALLOWALL"},
		{"X-Frame-Options", "ALLOW-FROM http://a.example"},
	} {
		h := answer(nil, 0, headers...).Header
		before := h.Clone()
		if told := allowFraming(h, origin); told != "" || !reflect.DeepEqual(h, before) {
			t.Errorf("%q: %q, told %q", headers, h, told)
		}
	}
}

func TestWhatWasChangedIsNotKept(t *testing.T) {
	for _, c := range []struct {
		what    string
		headers []string
		want    string
	}{
		{"its headers alone", []string{"Content-Type", "application/pdf", "X-Frame-Options", "DENY"}, "no-store"},
		{"its body alone", []string{"Content-Type", "text/html"}, "no-store"},
		{"both", []string{"Content-Type", "text/html", "X-Frame-Options", "DENY"}, "no-store"},
		{"nothing", []string{"Content-Type", "application/pdf"}, "max-age=60"},
	} {
		res := answer(strings.NewReader("<head>"), 6, append(c.headers, "Cache-Control", "max-age=60")...)
		Inject(res, origin)
		if got := res.Header["Cache-Control"]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func FuzzInsert(f *testing.F) {
	for _, s := range []string{"<!doctype html><head>", "<html><!--", "<head", "\x00<script>", "<title></head>", strings.Repeat("x", headRoom+1), "<!--" + strings.Repeat("x", 2*headRoom)} {
		f.Add([]byte(s))
	}
	const tag = "<script wsd></script>"
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := io.ReadAll(insert(bytes.NewReader(body), tag))
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(got, []byte(tag))
		if at < 0 || !bytes.Equal(append(bytes.Clone(got[:at]), got[at+len(tag):]...), body) {
			t.Errorf("%q became %q", body, got)
		}
	})
}

// Whatever a site's policies are, the preview page may frame it, every other directive
// counts as before, and the document is a document still.
func FuzzPolicy(f *testing.F) {
	f.Add("script-src 'nonce-a'; frame-ancestors 'none'", "DENY")
	f.Add("frame-ancestors 'none', script-src\t'self'; frame-ancestors *", "ALLOWALL")
	f.Add(",;,", "")
	f.Fuzz(func(t *testing.T, policy, options string) {
		before := csp.Parse([]string{policy})
		res := answer(strings.NewReader("<head>"), 6, "Content-Type", "text/html", "Content-Security-Policy", policy, "X-Frame-Options", options)
		Inject(res, origin)
		body, err := io.ReadAll(res.Body)
		if err != nil || strings.Count(string(body), "<") != strings.Count(string(body), ">") || strings.Count(string(body), "<script") > 1 {
			t.Errorf("%q %q: %q %v", policy, options, body, err)
		}
		after := csp.Parse(res.Header["Content-Security-Policy"])
		for _, p := range after {
			if d, ok := p.Get(ancestors); ok && !mayFrame(d, origin) {
				t.Errorf("%q %q: the page may not frame it: %s", policy, options, d)
			}
		}
		if got, want := others(after), others(before); !reflect.DeepEqual(got, want) {
			t.Errorf("%q %q: %q, want %q", policy, options, got, want)
		}
	})
}

// others are the directives of each policy that has any but frame-ancestors.
func others(policies []csp.Policy) (words [][]string) {
	for _, p := range policies {
		var directives []string
		for _, d := range p {
			if d.Name != ancestors {
				directives = append(directives, d.String())
			}
		}
		if directives != nil {
			words = append(words, directives)
		}
	}
	return words
}
