package preview

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// HostPrefix is the first name of the host of a workspace's preview page, before NAME and
// api.NameSuffix: the page is of the same site as what it frames, so that logins work in
// the frame, and of another origin, so that neither can reach into the other.
const HostPrefix = api.PreviewLabel + "."

// Paths of the preview page's host that are no file.
const (
	StatusPath = "/status" // what is known of the workspace, as server-sent events
	ActPath    = "/act"    // POST: somebody uses the workspace here
)

// Status is what the page knows of its workspace. It is no more than what the front door
// tells to everybody who can connect to it.
type Status struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	State  string          `json:"state"`         // or "deleted"
	Run    string          `json:"run,omitempty"` // changes at each start
	Start  time.Time       `json:"started,omitzero"`
	Own    int             `json:"own"`   // the workspace's own port; 0: none
	Ports  []api.Listening `json:"ports"` // that listen inside; null: that is not known
	Wakes  bool            `json:"wakes"` // a request starts it
	Stage  string          `json:"stage,omitempty"`
	Share  int             `json:"share,omitempty"` // of the stage that is done, in per cent; 0: not known
	Why    string          `json:"why,omitempty"`   // of its last stop or failure, in a sentence
	Level  string          `json:"level,omitempty"`
	StopAt time.Time       `json:"stop_at,omitzero"` // when it will stop if nothing happens; absent: never
}

//go:embed shell.html shell.css shell.js panes.js log.js curtain.js
var files embed.FS

// Scripts that are no files of the page: of framed documents, and of its own document.
var (
	//go:embed helper.js
	helperScript []byte
	//go:embed again.js
	againScript string
)

var shell = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("shell.html").ParseFS(files, "shell.html"))
})

// scripts is what the page lets run: its files, and againScript.
var scripts = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(againScript))
	return "script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
})

// Shell is the file at a path of the preview page of the workspace name; at is its host as
// the browser asked for it, without HostPrefix. It reports whether there is such a file.
func Shell(name, at, file string) (http.Header, []byte, bool) {
	h := headers()
	h.Set("Content-Security-Policy", "default-src 'none'; "+scripts()+"; style-src 'self'; img-src data:; connect-src 'self' http://"+at+" http://*."+at+
		"; frame-src http://"+at+" http://*."+at+"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Origin-Agent-Cluster", "?1")
	if file != "/" {
		body, err := files.ReadFile(path.Base(file))
		if err != nil || file != "/"+path.Base(file) || path.Ext(file) == ".html" {
			return nil, nil, false
		}
		h.Set("Content-Type", mime.TypeByExtension(path.Ext(file)))
		return h, body, true
	}
	var body bytes.Buffer
	told := struct {
		Name, At, Devices, Stages string
		Most                      int
		Again                     template.JS
	}{name, at, asJSON(api.Devices()), asJSON(api.StageWords()), api.MaxDevices, template.JS(againScript)} //nolint:gosec // it is ours
	if err := shell().Execute(&body, told); err != nil {
		panic("preview: the page is ours: " + err.Error())
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	return h, body.Bytes(), true
}

func asJSON(ours any) string {
	b, err := json.Marshal(ours)
	if err != nil {
		panic("preview: what the page is told is ours: " + err.Error())
	}
	return string(b)
}

// Helper is the script that Inject adds to a document.
func Helper() (http.Header, []byte) {
	h := headers()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	return h, helperScript
}

// Cleared has the browser forget what it keeps of the origin that it asked: its "storage",
// or the "cookies" of the whole site, all origins below the workspace's name. It reports
// whether what is one of the two.
func Cleared(what string) (http.Header, bool) {
	h := headers()
	h.Set("Cross-Origin-Resource-Policy", "same-site") // the preview page asks for it
	switch what {
	case "cookies":
		h.Set("Clear-Site-Data", `"cookies"`)
	case "storage":
		h.Set("Clear-Site-Data", `"storage", "cache"`)
	default:
		return nil, false
	}
	return h, true
}

// Stream begins the answer to a request for StatusPath.
func Stream() http.Header {
	h := headers()
	h.Set("Content-Type", "text/event-stream")
	return h
}

// Done answers a request for ActPath that was heeded. It has no body.
func Done() http.Header { return headers() }

// headers is how each answer of the page begins.
func headers() http.Header {
	return http.Header{
		"Cache-Control":                {"no-store"},
		"X-Content-Type-Options":       {"nosniff"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		api.DoorField:                  {"front-door"},
	}
}
