package cli

import (
	"fmt"
	"strconv"

	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// view is a workspace as wsctl prints it: what wsd says, and its URL.
type view struct {
	workspace.Workspace
	URL string `json:"url,omitempty"`
}

func viewOf(w workspace.Workspace) view { return view{w, urlOf(w)} }

func viewsOf(ws []workspace.Workspace) []view {
	vs := make([]view, len(ws)) // never null in JSON
	for i, w := range ws {
		vs[i] = viewOf(w)
	}
	return vs
}

// urlOf returns the address on this machine under which the workspace answers.
func urlOf(w workspace.Workspace) string { return portURL(w.Port) }

// portURL is the address of a leased port; "" without one.
func portURL(port int) string {
	if port == 0 {
		return ""
	}
	return "http://127.0.0.1:" + strconv.Itoa(port) + "/"
}

// outcome is the one line that tells people how a workspace now is.
func outcome(w workspace.Workspace) string {
	if w.State == workspace.Running && w.Port != 0 {
		return fmt.Sprintf("%s is running at %s", render.Escape(w.Name), urlOf(w))
	}
	return fmt.Sprintf("%s is %s", render.Escape(w.Name), w.State)
}
