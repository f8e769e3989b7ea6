package server

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/auth"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// hosts are the only names under which the API answers. A page in a browser that
// was led here by a DNS trick sends its own.
var hosts = map[string]bool{"wsd": true, "localhost": true}

// methods is what exists at all, for Allow on requests that name no path.
const methods = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

// guard refuses what no client of ours sends: browsers, proxies, smuggled bodies,
// odd paths. It looks at nothing but the head of the request.
func guard(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodTrace, http.MethodConnect:
		w.Header().Set("Allow", methods)
		return errMethod(r.Method)
	}
	if r.Header.Values("Origin") != nil || r.Header.Values("Referer") != nil {
		return fault.New(fault.Denied, "browser_refused", "requests from browsers are not accepted").
			WithHint("this API is for programs on this machine; leave out Origin and Referer")
	}
	switch host := strings.ToLower(r.Host); {
	case host == "":
		return fault.New(fault.Invalid, "host_required", "the request names no host").WithHint("send Host: wsd")
	case !hosts[host] || (r.URL.Scheme != "" && r.URL.Scheme != "http"):
		return fault.New(fault.Denied, "host_refused", "this API does not answer under that name").WithHint("send Host: wsd")
	}
	if len(r.TransferEncoding) > 0 && r.Method != http.MethodPut {
		// A body of both lengths looks like this as well: net/http drops Content-Length
		// beside Transfer-Encoding. Only archives, which are put, are so long that their
		// length is unknown.
		w.Header().Set("Connection", "close")
		return fault.New(fault.Invalid, "length_required", "a body needs Content-Length and no Transfer-Encoding")
	}
	return guardPath(r)
}

// guardPath refuses every path that the mux would clean, and so redirect, and any
// escaped byte: no name or id of ours needs one.
func guardPath(r *http.Request) error {
	path := r.URL.EscapedPath()
	if !strings.HasPrefix(path, "/") || strings.Contains(path, "//") {
		return errPath()
	}
	if strings.ContainsAny(path, "%\\;") {
		return fault.New(fault.Invalid, "path_invalid", "the path holds characters that no name or id has").
			WithHint("names and ids have 1 to 64 lower-case letters, digits and dashes")
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return errPath()
		}
	}
	return nil
}

func errPath() error {
	return fault.New(fault.Invalid, "path_invalid", "the path is not one of this API").
		WithHint("see GET /v1/openapi.json for all of them")
}

func errMethod(method string) error {
	return fault.New(fault.Method, "method_not_allowed", "%.20q is not possible on this path", method)
}

// parseRef checks a workspace's name, id or beginning of an id as it stands in a path
// or a parameter.
func parseRef(s string) (string, error) {
	return parseWord("ref_invalid", "the name or id of a workspace", s, "")
}

// parseWord accepts 1 to 64 lower-case letters, digits, dashes and the extra bytes.
func parseWord(code, what, s, extra string) (string, error) {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && !strings.ContainsRune(extra, r)
	}
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, odd) {
		f := fault.New(fault.Invalid, code, "%.60q is not %s", s, what)
		if lower := strings.ToLower(s); lower != s && workspace.ValidateName(lower) == nil {
			return "", f.WithHint("did you mean %q? names are lower case", lower)
		}
		return "", f.WithHint("names and ids have 1 to 64 lower-case letters, digits and dashes")
	}
	return s, nil
}

type requestKey struct{}

// withRequestID gives r the id under which it is logged: the client's, if it is a
// plain word of at most 64 characters, else a new one.
func withRequestID(r *http.Request) *http.Request {
	id := r.Header.Get(api.HeaderRequestID)
	odd := func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, odd) {
		id = rand.Text()
	}
	return r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

// allowed applies the access rule of a route. What an owner may see is decided by
// the backend, workspace by workspace.
func allowed(rule access, r *http.Request) (workspace.Actor, error) {
	a, ok := auth.ActorFrom(r.Context())
	switch {
	case !ok:
		return a, fault.New(fault.Denied, "peer_unknown", "the peer cannot be identified")
	case rule == admin && !a.Admin:
		return a, fault.New(fault.Denied, "admin_required", "only root and the daemon's own user may do this")
	}
	return a, nil
}
