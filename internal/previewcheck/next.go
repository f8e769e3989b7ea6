package previewcheck

import (
	"regexp"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
)

var nextChunk = regexp.MustCompile(`^([^?#]*)/_next/static/`)

// nextPaths are where versions of Next have their socket: 16.4 and later, and those before.
var nextPaths = []string{"/_next/hmr", "/_next/webpack-hmr"}

// next finds Next by the names of its scripts and by what its client connects to, which a
// page that was built for production has not.
func (l *look) next() *devServer {
	prefix, found := "", false
	for _, s := range l.seen.scripts {
		if m := nextChunk.FindStringSubmatch(s.src); m != nil {
			prefix, found = m[1], true
			break
		}
	}
	if !found {
		return nil
	}
	i := slices.IndexFunc(nextPaths, func(path string) bool { return strings.Contains(l.code(), path) })
	if i < 0 {
		return nil
	}
	return &devServer{
		DevServer: api.DevServer{Kind: "next", Base: clip(prefix)}, label: "Next", target: l.below("ws", prefix+nextPaths[i]),
		astray: elsewhere("remove assetPrefix while developing"), refused: refusedByNext,
	}
}

// refusedByNext knows that Next answers an origin that it does not allow with a bare word
// that is no HTTP, which the front door cannot pass on.
func refusedByNext(_ *look, o *opened) (code, hint, why string) {
	if o.status == 401 || o.status == 403 || o.status == 502 && o.doors {
		return "host_refused", `set allowedDevOrigins: ["*.localhost"] in next.config, or update Next, which allows names below .localhost by itself now`, "Origin not allowed"
	}
	return "", "", ""
}

// browserSync finds BrowserSync by the element that it puts into pages.
func (l *look) browserSync() *devServer {
	for _, s := range l.seen.scripts {
		if s.id == "__bs_script__" || strings.Contains(s.src, "/browser-sync/browser-sync-client.js") {
			return &devServer{
				DevServer: api.DevServer{Kind: "browsersync"}, label: "BrowserSync", target: l.below("ws", "/browser-sync/socket.io/"),
				polls: "EIO=4&transport=polling", astray: elsewhere("remove the socket.domain option"),
			}
		}
	}
	return nil
}
