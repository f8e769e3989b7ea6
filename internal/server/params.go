package server

import (
	"math"

	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of one page.
const (
	maxPage     = 500
	defaultPage = 100
	maxTail     = 100_000
)

func listParams() []param {
	return append(filterParams(),
		limitParam("Workspaces in one page; without it the list is whole"),
		param{name: "cursor", kind: text, doc: "Member next of the page before"})
}

func filterParams() []param {
	return []param{
		{name: "state", kind: text, many: true, words: words(workspace.States()), doc: "Only workspaces in one of these states"},
		{name: "label", kind: text, many: true, doc: "Only workspaces that fit every selector: key=value, key!=value or key"},
		{name: "owner", kind: text, doc: "Only workspaces of this owner, as uid:NUMBER"},
	}
}

func logParams() []param {
	return []param{
		{name: "follow", kind: boolean, doc: "Go on with new output"},
		{name: "since", kind: instant, doc: "Only output from this time on"},
		{name: "tail", kind: number, min: 0, max: maxTail, clamp: true, doc: "Only the last lines"},
		{name: "observe", kind: boolean, doc: "Only look: to follow is no connection to the workspace"},
	}
}

func eventParams() []param {
	return []param{
		{name: "after", kind: number, min: 0, max: math.MaxInt64, doc: "Only facts with a larger number"},
		limitParam("Facts in one page"),
		workspaceParam(),
	}
}

func watchParams() []param {
	return []param{
		{name: "after", kind: number, min: 0, max: math.MaxInt64, doc: "Resume after this fact instead of a snapshot"},
		workspaceParam(),
		{name: "files", kind: boolean, doc: "Signal changes of files of the workspace as well"},
	}
}

func jobParams() []param {
	states := []workspace.JobState{
		workspace.JobWaiting, workspace.JobDelayed, workspace.JobActive,
		workspace.JobCompleted, workspace.JobFailed, workspace.JobCancelled,
	}
	return []param{
		{name: "state", kind: text, many: true, words: words(states), doc: "Only jobs in one of these states"},
		workspaceParam(),
	}
}

func limitParam(doc string) param {
	return param{name: "limit", kind: number, min: 1, max: maxPage, clamp: true, doc: doc}
}

func workspaceParam() param {
	return param{name: "workspace", kind: text, doc: "Only what concerns this workspace: id, name or beginning of an id"}
}

func words[T ~string](all []T) []string {
	list := make([]string, len(all))
	for i, w := range all {
		list[i] = string(w)
	}
	return list
}

// header is one request header that a route reads, for the document.
type header struct {
	name     string
	doc      string
	required bool
}

var (
	ifNoneMatch     = header{name: "If-None-Match", doc: "ETag of an earlier answer; the same one is answered with 304"}
	ifMatchRequired = header{name: "If-Match", doc: "ETag or quoted revision that the change was made for, or *", required: true}
	ifMatchOptional = header{name: "If-Match", doc: "ETag or quoted revision that must still be there"}
	idempotencyKey  = header{name: "Idempotency-Key", doc: "1 to 128 visible ASCII characters; the same key and request make one workspace only"}
)

// refParam reads the workspace parameter; "" when absent.
func (c *call) refParam() (string, error) {
	if !c.query.has("workspace") {
		return "", nil
	}
	return parseRef(c.query.text("workspace"))
}
