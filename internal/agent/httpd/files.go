package httpd

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path that is looked at, in bytes.
const maxPath = 4096

// NewHandler returns a handler that serves the files below dir.
func NewHandler(dir string) http.Handler { return &files{dir: dir} }

// files holds no state between requests; it is safe for concurrent use.
type files struct{ dir string }

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		message(w, r, http.StatusMethodNotAllowed, "Only reading is possible here", "")
		return
	}
	name, ok := cleanPath(r.URL.Path)
	if !ok {
		notFound(w, r)
		return
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		f.noFolder(w, r, err)
		return
	}
	defer root.Close()
	file, info, err := open(root, name)
	if err != nil {
		refuse(w, r, err)
		return
	}
	defer file.Close()
	if info.IsDir() {
		f.serveDir(w, r, root, file, name)
		return
	}
	if strings.HasSuffix(r.URL.Path, "/") {
		notFound(w, r)
		return
	}
	serveFile(w, r, file, info)
}

// cleanPath turns the path of a request into a name inside the root ("." is the root
// itself). ok is false for what does not exist by definition: names that begin with a
// dot, and bytes that are no part of a name.
func cleanPath(p string) (name string, ok bool) {
	if len(p) > maxPath || strings.ContainsAny(p, "\x00\\") {
		return "", false
	}
	name = strings.TrimPrefix(path.Clean("/"+p), "/")
	if name == "" {
		return ".", true
	}
	hidden := slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return s[0] == '.' })
	return name, !hidden
}

// open opens a regular file or a folder. O_NONBLOCK keeps a named pipe from blocking.
func open(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	file, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

func serveFile(w http.ResponseWriter, r *http.Request, file *os.File, info fs.FileInfo) {
	h := w.Header()
	h.Set("Content-Type", contentType(info.Name()))
	h.Set("Cache-Control", "no-cache") // ask each time: files are edited here
	h.Set("ETag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	http.ServeContent(w, r, "", info.ModTime(), file)
}

func (f *files) serveDir(w http.ResponseWriter, r *http.Request, root *os.Root, dir *os.File, name string) {
	if !strings.HasSuffix(r.URL.Path, "/") {
		redirect(w, r, "/"+name+"/")
		return
	}
	if index, info, err := open(root, path.Join(name, "index.html")); err == nil {
		defer index.Close()
		if !info.IsDir() {
			serveFile(w, r, index, info)
			return
		}
	}
	entries, more, err := list(dir)
	switch {
	case err != nil:
		refuse(w, r, err)
	case len(entries) == 0 && name == ".":
		f.empty(w, r)
	default:
		listing(w, r, name, entries, more)
	}
}

// redirect sends the browser to target, a clean path: it begins with exactly one slash,
// so it can't lead to another host.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	u := url.URL{Path: target, RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", u.EscapedPath()+query(u.RawQuery))
	message(w, r, http.StatusMovedPermanently, "This is a folder", "")
}

func query(raw string) string {
	if raw == "" {
		return ""
	}
	return "?" + raw
}

// refuse answers err. A link that leads out of the root looks like a missing file.
func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, fs.ErrPermission) {
		message(w, r, http.StatusForbidden, "This file cannot be read", "The server has no permission to read it.")
		return
	}
	notFound(w, r)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	message(w, r, http.StatusNotFound, "There is no such page", "No file of this name is served here.")
}

func (f *files) noFolder(w http.ResponseWriter, r *http.Request, err error) {
	text := "The server is up, but the folder " + workingName(f.dir) + " cannot be opened."
	if errors.Is(err, fs.ErrNotExist) {
		text = "The server is up, but the folder " + workingName(f.dir) + " does not exist. " +
			"Make it and put an index.html into it; there is no need to restart anything."
	}
	message(w, r, http.StatusNotFound, "Nothing to serve yet", text)
}

func (f *files) empty(w http.ResponseWriter, r *http.Request) {
	message(w, r, http.StatusOK, "It works",
		"The folder "+workingName(f.dir)+" is empty. Put an index.html into it and reload this page.")
}
