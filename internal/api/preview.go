package api

// PreviewCheck is the answer to GET /v1/workspaces/{ref}/preview/check: what a browser meets
// on a page of a workspace, and whether hot replacement works there. To ask changes nothing:
// it is no use of the workspace, and starts none that sleeps. Text of a page is in it,
// shortened and otherwise as it was: whoever shows it has to escape it.
type PreviewCheck struct {
	Workspace string     `json:"workspace"`
	Port      int        `json:"port,omitempty" doc:"Inside"`
	URL       string     `json:"url,omitempty" doc:"The page that was looked at"`
	Server    *DevServer `json:"server,omitempty" doc:"What serves it, once there is a page"`
	Checks    []Check    `json:"checks" doc:"In the order of the looks; after one that leaves nothing to look at there are no more"`
	Works     bool       `json:"works" doc:"No check has failed"`
}

// DevServer is a server that replaces parts of a page that is open.
type DevServer struct {
	Kind   string `json:"kind" doc:"vite, webpack, next, parcel, esbuild, browsersync, hot-middleware, or static where none is known"`
	Base   string `json:"base,omitempty" doc:"Path below which it serves, where its client says so"`
	Socket string `json:"socket,omitempty" doc:"Where its client connects to, without the query"`
	Direct string `json:"direct,omitempty" doc:"Where its client tries next when that fails, without the query"`
}
