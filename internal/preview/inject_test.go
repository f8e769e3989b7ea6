package preview

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
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
		"another type":               {"Content-Type", "application/json"},
		"no type":                    {},
		"packed":                     {"Content-Type", html, "Content-Encoding", "gzip"},
		"two bytes a character":      {"Content-Type", "text/html; charset=UTF-16LE"},
		"scripts are forbidden":      {"Content-Type", html, "Content-Security-Policy", "script-src 'none'"},
		"none is listed":             {"Content-Type", html, "Content-Security-Policy", "script-src"},
		"others alone are allowed":   {"Content-Type", html, "Content-Security-Policy", "default-src https://cdn.example"},
		"only what others brought":   {"Content-Type", html, "Content-Security-Policy", "script-src 'self' 'strict-dynamic'"},
		"in a sandbox":               {"Content-Type", html, "Content-Security-Policy", "sandbox allow-forms"},
		"one of two policies":        {"Content-Type", html, "Content-Security-Policy", "script-src 'self', default-src 'none'"},
		"two nonces":                 {"Content-Type", html, "Content-Security-Policy", "script-src 'nonce-a'", "Content-Security-Policy", "script-src 'nonce-b'"},
		"elements forbidden, not js": {"Content-Type", html, "Content-Security-Policy", "script-src 'self'; script-src-elem 'none'"},
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

func TestFramingIsAllowedToThePreviewPageAlone(t *testing.T) {
	const allowed = "frame-ancestors 'self' " + origin
	for _, c := range []struct {
		headers []string
		want    string // of the policies
		told    string
	}{
		{nil, "", ""},
		{[]string{"X-Frame-Options", "SAMEORIGIN"}, allowed, "X-Frame-Options: SAMEORIGIN"},
		{[]string{"Content-Security-Policy", "default-src 'self'; Frame-Ancestors 'none'; img-src *"}, "default-src 'self'; " + allowed + "; img-src *", "Frame-Ancestors 'none'"},
		{[]string{"Content-Security-Policy", "default-src 'self'"}, "default-src 'self'", ""},
		{[]string{"X-Frame-Options", "DENY", "Content-Security-Policy", "frame-ancestors 'none'"}, allowed + " | " + allowed, "frame-ancestors 'none'"},
	} {
		h := answer(nil, 0, c.headers...).Header
		told := allowFraming(h, origin)
		if got := strings.Join(h["Content-Security-Policy"], " | "); got != c.want || told != c.told || h.Get("X-Frame-Options") != "" {
			t.Errorf("%q: %q, told %q", c.headers, got, told)
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

func FuzzPolicy(f *testing.F) {
	f.Add("script-src 'nonce-a'; frame-ancestors 'none'", "DENY")
	f.Add(",;,", "")
	f.Fuzz(func(t *testing.T, policy, options string) {
		res := answer(strings.NewReader("<head>"), 6, "Content-Type", "text/html", "Content-Security-Policy", policy, "X-Frame-Options", options)
		Inject(res, origin)
		body, err := io.ReadAll(res.Body)
		if err != nil || strings.Count(string(body), "<") != strings.Count(string(body), ">") || strings.Count(string(body), "<script") > 1 {
			t.Errorf("%q %q: %q %v", policy, options, body, err)
		}
	})
}
