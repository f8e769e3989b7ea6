package previewcheck

import (
	"regexp"
	"strings"
)

// leaves finds scripts that put their page in place of the one that frames it.
var leaves = regexp.MustCompile(`\b(?:top|parent)\.location(?:\.href)?\s*(?:=[^=]|\.(?:replace|assign)\s*\()`)

// maxQuotes is how many policies of a page are looked at for what they say of frames.
const maxQuotes = 3

// frame judges what keeps the page out of a frame, as that of the preview page is.
func (l *look) frame() bool {
	var said []string
	h := l.header
	if v := h.Get("X-Frame-Options"); v != "" {
		said = append(said, "X-Frame-Options: "+clip(v))
	}
	policies := h.Values("Content-Security-Policy")
	for _, v := range policies[:min(len(policies), maxQuotes)] {
		if d := directive(v, "frame-ancestors"); d != "" {
			said = append(said, "Content-Security-Policy: "+clip(d))
		}
	}
	alone := "open it in a tab of its own: `wsctl open " + l.w.Name + "`"
	switch {
	case near(l.seen.inline(), ".location", leaves) != nil:
		l.report.warn(onFrame, "frame_busting", alone, "a script of the page leaves frames (it sets top.location); the preview page does not let it, and it may then show nothing")
	case strings.Contains(h.Get("Cross-Origin-Embedder-Policy"), "require-corp") || strings.Contains(h.Get("Cross-Origin-Embedder-Policy"), "credentialless"):
		l.report.warn(onFrame, "isolated", alone, "the page wants to be isolated (Cross-Origin-Embedder-Policy), which it may not be in a frame: SharedArrayBuffer is missing there")
	case len(said) > 0:
		l.report.ok(onFrame, "%s, which the preview page overrides for itself", strings.Join(said, " and "))
	default:
		l.report.ok(onFrame, "nothing keeps the page out of the preview page's frame")
	}
	return true
}
