package httpd

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const secret = "this must never be served"

// site makes a folder with what the tests ask for, and a secret beside it.
func site(t testing.TB) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "site")
	for name, content := range map[string]string{
		"../secret":            secret,
		"index.html":           "<p>home",
		"hello.txt":            "0123456789",
		"app.JS":               "x",
		"data.bin":             "\x00\x01",
		"a b&<i>.txt":          "odd name",
		".hidden":              secret,
		".git/config":          secret,
		"sub/page.html":        "page",
		"sub/.env":             secret,
		"sub/x:y.txt":          "colon",
		"indexed/index.html":   "indexed",
		"strange/index.html/f": "a folder named like a page",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"out": "../secret", "outdir": "..", "absolute": filepath.Join(top, "secret"), "inside": "hello.txt", "etc": "/etc", "loop": "loop",
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// ask sends request bytes over a real connection: httptest would clean the path.
func ask(t testing.TB, dir, request string) *http.Response {
	t.Helper()
	server := httptest.NewServer(NewHandler(dir))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestRequests(t *testing.T) {
	tests := []struct {
		name, request string // request line and headers; Host and the end are added
		status        int
		header, value string // one header that must be so
		body          string // part of the body; "-" means that it is empty
	}{
		{"the page of the root", "GET /", 200, "Content-Type", "text/html; charset=utf-8", "<p>home"},
		{"a file", "GET /hello.txt", 200, "Content-Type", "text/plain; charset=utf-8", "0123456789"},
		{"types ignore case", "GET /app.JS", 200, "Content-Type", "text/javascript; charset=utf-8", "x"},
		{"unknown bytes", "GET /data.bin", 200, "Content-Type", "application/octet-stream", "\x00\x01"},
		{"nothing is guessed", "GET /data.bin", 200, "X-Content-Type-Options", "nosniff", ""},
		{"an odd name", "GET /a%20b&%3Ci%3E.txt", 200, "", "", "odd name"},
		{"a query", "GET /hello.txt?x=1", 200, "", "", "0123456789"},
		{"HEAD has no body", "HEAD /hello.txt", 200, "Content-Length", "10", "-"},
		{"HEAD of nothing", "HEAD /nothing", 404, "", "", "-"},
		{"a range", "GET /hello.txt\nRange: bytes=2-4", 206, "Content-Range", "bytes 2-4/10", "234"},
		{"the end of a file", "GET /hello.txt\nRange: bytes=-3", 206, "Content-Range", "bytes 7-9/10", "789"},
		{"a range outside", "GET /hello.txt\nRange: bytes=20-", 416, "Content-Range", "bytes */10", ""},
		{"a page by its folder", "GET /indexed/", 200, "", "", "indexed"},
		{"a folder without its slash", "GET /sub?x=1", 301, "Location", "/sub/?x=1", ""},
		{"a redirect stays here", "GET //evil.example/..//sub", 301, "Location", "/sub/", ""},
		{"a file with a slash", "GET /hello.txt/", 404, "", "", ""},
		{"a listing", "GET /sub/", 200, "Content-Type", "text/html; charset=utf-8", `<a href="./page.html">page.html</a>`},
		{"a listing forbids scripts", "GET /sub/", 200, "Content-Security-Policy", pagePolicy, ""},
		{"a name with a colon", "GET /sub/", 200, "", "", `href="./x:y.txt"`},
		{"a folder named like a page", "GET /strange/", 200, "", "", "index.html/"},
		{"an empty folder", "GET /empty/", 200, "", "", "This folder is empty"},
		{"nothing there", "GET /nothing", 404, "Content-Type", "text/html; charset=utf-8", "There is no such page"},
		{"dots", "GET /../secret", 404, "", "", ""},
		{"dots in the middle", "GET /sub/../../secret", 404, "", "", ""},
		{"dots to the system", "GET /../../../../../../etc/passwd", 404, "", "", ""},
		{"escaped dots", "GET /%2e%2e/secret", 404, "", "", ""},
		{"escaped dots and slash", "GET /sub%2f%2e%2e%2f%2e%2e%2fsecret", 404, "", "", ""},
		{"doubly escaped dots", "GET /%252e%252e/secret", 404, "", "", ""},
		{"backslashes", `GET /..\secret`, 404, "", "", ""},
		{"a zero byte", "GET /hello.txt%00.html", 404, "", "", ""},
		{"a hidden file", "GET /.hidden", 404, "", "", ""},
		{"a hidden folder", "GET /.git/config", 404, "", "", ""},
		{"a hidden file below", "GET /sub/.env", 404, "", "", ""},
		{"a link inside", "GET /inside", 200, "", "", "0123456789"},
		{"a link out", "GET /out", 404, "", "", ""},
		{"an absolute link out", "GET /absolute", 404, "", "", ""},
		{"below a link out", "GET /outdir/secret", 404, "", "", ""},
		{"the listing of a link out", "GET /outdir/", 404, "", "", ""},
		{"a link to the system", "GET /etc/passwd", 404, "", "", ""},
		{"a link to itself", "GET /loop", 404, "", "", ""},
		{"a named pipe does not block", "GET /pipe", 404, "", "", ""},
		{"a long path", "GET /" + strings.Repeat("a/", 3000), 404, "", "", ""},
		{"a long name", "GET /" + strings.Repeat("a", 300), 404, "", "", ""},
		{"POST", "POST /hello.txt\nContent-Length: 0", 405, "Allow", "GET, HEAD", ""},
		{"DELETE", "DELETE /hello.txt", 405, "Allow", "GET, HEAD", ""},
		{"OPTIONS", "OPTIONS /hello.txt", 405, "Allow", "GET, HEAD", ""},
	}
	dir := site(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			line, headers, _ := strings.Cut(test.request, "\n")
			if headers != "" {
				headers += "\r\n"
			}
			resp := ask(t, dir, line+" HTTP/1.1\r\nHost: demo.localhost\r\n"+headers+"\r\n")
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status {
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			if got := resp.Header.Get(test.header); test.header != "" && got != test.value {
				t.Errorf("%s: %q, want %q", test.header, got, test.value)
			}
			if bytes.Contains(body, []byte(secret)) {
				t.Error("the secret got out")
			}
			if test.body == "-" {
				if len(body) != 0 {
					t.Errorf("a body of %d bytes, want none", len(body))
				}
			} else if !bytes.Contains(body, []byte(test.body)) {
				t.Errorf("the body %q is without %q", body, test.body)
			}
		})
	}
}

func TestTheListingHidesAndEscapes(t *testing.T) {
	dir := site(t)
	if err := os.Remove(filepath.Join(dir, "index.html")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"\x1b[31mred", "\"><script>alert(1)<", "line\nbreak", "bad\xff"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil && !strings.Contains(name, "/") {
			t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	NewHandler(dir).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	body := w.Body.String()
	for _, absent := range []string{".hidden", ".git", "<script", "\x1b", "<i>", "line\nbreak"} {
		if strings.Contains(body, absent) {
			t.Errorf("the listing holds %q", absent)
		}
	}
	for _, present := range []string{`href="./a%20b&amp;%3Ci%3E.txt"`, `a b&amp;&lt;i&gt;.txt`, `10 B`, `href="./sub/"`, `href="./line%0Abreak"`, `href="./bad%FF"`} {
		if !strings.Contains(body, present) {
			t.Errorf("the listing is without %q", present)
		}
	}
	if strings.Index(body, "./sub/") > strings.Index(body, "hello.txt") {
		t.Error("folders do not come first")
	}
}

func TestConditionalRequests(t *testing.T) {
	dir := site(t)
	handler := NewHandler(dir)
	get := func(header, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/hello.txt", nil)
		if header != "" {
			r.Header.Set(header, value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	first := get("", "")
	tag, modified := first.Header().Get("ETag"), first.Header().Get("Last-Modified")
	if tag == "" || modified == "" {
		t.Fatalf("ETag %q, Last-Modified %q", tag, modified)
	}
	if got := get("If-None-Match", tag).Code; got != 304 {
		t.Errorf("the same tag gives %d, want 304", got)
	}
	if got := get("If-Modified-Since", modified).Code; got != 304 {
		t.Errorf("the same time gives %d, want 304", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "hello.txt"), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := get("If-None-Match", tag); got.Code != 200 || got.Body.String() != "changed" {
		t.Errorf("a changed file gives %d %q", got.Code, got.Body)
	}
}

func TestAFolderThatIsMissingOrEmpty(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	handler := NewHandler(dir)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	if w := get("/"); w.Code != 404 || !strings.Contains(w.Body.String(), "does not exist") {
		t.Errorf("a missing folder gives %d %s", w.Code, w.Body)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if w := get("/"); w.Code != 200 || !strings.Contains(w.Body.String(), "is empty") {
		t.Errorf("an empty folder gives %d %s", w.Code, w.Body)
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("now"), 0o644); err != nil {
		t.Fatal(err)
	}
	if w := get("/"); w.Code != 200 || w.Body.String() != "now" {
		t.Errorf("the new page gives %d %s", w.Code, w.Body)
	}
}

func TestTheRequestLogIsOneCleanLine(t *testing.T) {
	var out bytes.Buffer
	handler := logged(&out, NewHandler(site(t)))
	r := httptest.NewRequest("GET", "/hello.txt", nil)
	r.RequestURI = "/hello.txt?\x1b[2J\n\xff\u202e"
	handler.ServeHTTP(httptest.NewRecorder(), r)
	want := `GET /hello.txt?\x1b[2J\x0a\xff\u202e 200 10 `
	if got := out.String(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "ms\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("the log says %q, want %q", got, want)
	}
}

// No path may reach outside, whatever bytes it is made of.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/hello.txt", "/../secret", "/sub/..//../secret", "/out", "/outdir/secret", "/.hidden", "/a\x00", "/..\\secret", "//secret", "/./../site/../secret"} {
		f.Add(seed)
	}
	dir := site(f)
	handler := NewHandler(dir)
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if strings.Contains(w.Body.String(), secret) {
			t.Fatalf("%q serves the secret", path)
		}
		if at := w.Header().Get("Location"); w.Code == 301 && (!strings.HasPrefix(at, "/") || strings.HasPrefix(at, "//") || strings.ContainsAny(at, "\r\n\\")) {
			t.Fatalf("%q redirects to %q", path, at)
		}
		if w.Code != 200 && w.Code != 301 && w.Code != 404 {
			t.Fatalf("%q gives %d", path, w.Code)
		}
		name, ok := cleanPath(path)
		if ok && name != "." && (name != filepath.Clean(name) || strings.HasPrefix(name, "..") || strings.HasPrefix(name, "/")) {
			t.Fatalf("%q becomes %q", path, name)
		}
	})
}
