package server

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// access is who may use a route.
type access string

const (
	anyone access = "anyone" // every user that may connect
	owner  access = "owner"  // every user, for what is theirs: the backend hides the rest
	admin  access = "admin"  // root and the daemon's own user
)

// body is what a route reads.
type body struct {
	media    string       // Content-Type; "": the route reads none
	of       reflect.Type // for the document; nil: text
	optional bool
	raw      bool // the handler reads it: it may be long
}

// answer is one success of a route.
type answer struct {
	status int
	doc    string
	media  string       // "": application/json
	of     reflect.Type // nil: bytes, or nothing for 101
}

// route is one row of the API.
type route struct {
	method, path string
	access       access
	id, summary  string
	params       []param
	headers      []header
	body         body
	answers      []answer
	errors       []int // statuses beyond those that every route has
	stream       bool  // no bound on its whole time
	handle       func(*Server, *call) error
}

// routes returns the whole API, in the order of the document.
func routes() []route {
	return slices.Concat(daemonRoutes(), workspaceRoutes(), streamRoutes(), gatewayRoutes(), insideRoutes(), previewRoutes(), gitRoutes(), secretRoutes(), activityRoutes(), jobRoutes(), templateRoutes())
}

func daemonRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/status", access: anyone, id: "status", summary: "How the daemon and its engine are",
			answers: ok[api.Status]("Now"), handle: (*Server).status,
		},
		{
			method: "GET", path: "/v1/doctor", access: anyone, id: "doctor", summary: "Check everything the daemon depends on",
			answers: ok[api.Doctor]("Findings"), handle: (*Server).doctor,
		},
		{
			method: "GET", path: "/v1/ports", access: owner, id: "list-ports", summary: "Leased and foreign ports of the range",
			answers: ok[api.PortList]("Ports that are not free"), handle: (*Server).ports,
		},
		{
			method: "POST", path: "/v1/gc", access: admin, id: "gc", summary: "List, or remove, what no workspace needs",
			body: jsonBody[gcRequest](true), answers: ok[api.GC]("Leftovers"), handle: (*Server).gc,
		},
		{
			method: "GET", path: "/v1/backup", access: admin, id: "backup", summary: "A copy of the store as it is now; wsctl admin verify checks it", stream: true,
			answers: []answer{{status: 200, doc: "The store", media: "application/octet-stream"}}, handle: (*Server).backup,
		},
		{
			method: "GET", path: "/v1/openapi.json", access: anyone, id: "openapi", summary: "This document",
			answers: []answer{{status: 200, doc: "OpenAPI 3.1", of: reflect.TypeFor[map[string]any]()}}, handle: (*Server).document,
		},
	}
}

func workspaceRoutes() []route {
	one := ok[api.Live]("The workspace")
	changed := []answer{
		{status: 200, doc: "Changed, or already so", of: reflect.TypeFor[workspace.Workspace]()},
		{status: 202, doc: "Accepted; a job does the rest", of: reflect.TypeFor[workspace.Workspace]()},
	}
	created := append(slices.Clone(changed), answer{status: 201, doc: "Made; nothing is left to do", of: reflect.TypeFor[workspace.Workspace]()})
	created[0].doc = "Made by an earlier request with the same Idempotency-Key, or a dry run"
	rows := []route{
		{
			method: "GET", path: "/v1/workspaces", access: owner, id: "list-workspaces", summary: "List workspaces",
			params: listParams(), headers: []header{ifNoneMatch}, answers: ok[api.LiveList]("In order of name"), handle: (*Server).listWorkspaces,
		},
		{
			method: "GET", path: "/v1/brief", access: owner, id: "brief", summary: "List workspaces, of each only what a table shows",
			params: filterParams(), headers: []header{ifNoneMatch}, answers: ok[api.BriefList]("In order of name"), handle: (*Server).brief,
		},
		{
			method: "POST", path: "/v1/workspaces", access: owner, id: "create-workspace", summary: "Make a workspace and start it",
			headers: []header{idempotencyKey}, body: jsonBody[api.Create](false), answers: created,
			errors: []int{409, 422, 429, 503, 507}, handle: (*Server).createWorkspace,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}", access: owner, id: "get-workspace", summary: "Show a workspace",
			headers: []header{ifNoneMatch}, answers: one, errors: []int{404, 409}, handle: (*Server).getWorkspace,
		},
		{
			method: "PATCH", path: "/v1/workspaces/{ref}", access: owner, id: "update-workspace", summary: "Change name, labels, limits, policy or whether requests wake it",
			headers: []header{ifMatchRequired}, body: jsonBody[api.Update](false), answers: changed,
			errors: []int{404, 409, 412, 422, 428, 503, 507}, handle: (*Server).updateWorkspace,
		},
		{
			method: "DELETE", path: "/v1/workspaces/{ref}", access: owner, id: "delete-workspace", summary: "Delete a workspace and all it has",
			params:  []param{{name: "force", kind: boolean, doc: "Delete it also while it runs"}},
			headers: []header{ifMatchOptional}, answers: changed, errors: []int{404, 409, 412, 503, 507}, handle: (*Server).deleteWorkspace,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/usage", access: owner, id: "workspace-usage", summary: "One sample of what it uses",
			answers: ok[workspace.Usage]("Now"), errors: []int{404, 409, 503}, handle: (*Server).usage,
		},
	}
	for _, cmd := range api.Commands() {
		rows = append(rows, route{
			method: "POST", path: "/v1/workspaces/{ref}/" + string(cmd), access: owner,
			id: string(cmd) + "-workspace", summary: commandSummary[cmd], answers: changed, errors: []int{404, 409, 429, 503, 507},
			handle: func(s *Server, c *call) error { return s.command(c, cmd) },
		})
	}
	return rows
}

var commandSummary = map[api.Command]string{
	api.Start:   "Start a workspace",
	api.Stop:    "Stop a workspace",
	api.Restart: "Stop a workspace, then start it",
	api.Pause:   "Freeze its processes; they keep their memory",
	api.Resume:  "Let frozen processes go on",
}

func streamRoutes() []route {
	const lines = "application/x-ndjson"
	return []route{
		{
			method: "GET", path: "/v1/workspaces/{ref}/logs", access: owner, id: "workspace-logs", summary: "Output, one JSON object a line",
			stream: true, params: logParams(), answers: []answer{{status: 200, doc: "Lines", media: lines, of: reflect.TypeFor[workspace.LogLine]()}},
			errors: []int{404, 409, 503}, handle: (*Server).logs,
		},
		{
			method: "GET", path: "/v1/workspaces/{ref}/exec", access: owner, id: "workspace-exec",
			summary: "Run a command over a WebSocket of protocol " + api.ExecProtocol, stream: true,
			answers: []answer{{status: http.StatusSwitchingProtocols, doc: "The WebSocket"}}, errors: []int{404, 409, 426, 503}, handle: (*Server).exec,
		},
		{
			method: "GET", path: "/v1/events", access: owner, id: "list-events", summary: "Committed facts, oldest first",
			params: eventParams(), answers: ok[api.EventList]("A page of facts"), errors: []int{404, 409}, handle: (*Server).events,
		},
		{
			method: "GET", path: "/v1/watch", access: owner, id: "watch", summary: "State now, then every change, one JSON object a line",
			stream: true, params: watchParams(), answers: []answer{{status: 200, doc: "Messages", media: lines, of: reflect.TypeFor[api.Message]()}},
			errors: []int{404, 409}, handle: (*Server).watch,
		},
	}
}

func jobRoutes() []route {
	changed := []answer{{status: 200, doc: "The job as it is now", of: reflect.TypeFor[workspace.Job]()}}
	return []route{
		{
			method: "GET", path: "/v1/jobs", access: owner, id: "list-jobs", summary: "List jobs", params: jobParams(),
			answers: ok[api.JobList]("Jobs"), errors: []int{404, 409}, handle: (*Server).listJobs,
		},
		{
			method: "GET", path: "/v1/jobs/stats", access: owner, id: "job-stats", summary: "Counts and mean times of every kind",
			answers: ok[api.JobStats]("Counts"), handle: (*Server).jobStats,
		},
		{
			method: "GET", path: "/v1/jobs/{id}", access: owner, id: "get-job", summary: "Show a job",
			answers: ok[workspace.Job]("The job"), errors: []int{404}, handle: (*Server).getJob,
		},
		{
			method: "POST", path: "/v1/jobs/{id}/retry", access: owner, id: "retry-job", summary: "Begin a failed job anew, a delayed one now",
			answers: changed, errors: []int{404, 409, 503, 507}, handle: (*Server).retryJob,
		},
		{
			method: "POST", path: "/v1/jobs/{id}/cancel", access: owner, id: "cancel-job", summary: "End an open job without a result",
			answers: changed, errors: []int{404, 409, 503, 507}, handle: (*Server).cancelJob,
		},
	}
}

func templateRoutes() []route {
	return []route{
		{
			method: "GET", path: "/v1/templates", access: anyone, id: "list-templates", summary: "List templates",
			headers: []header{ifNoneMatch}, answers: ok[api.TemplateList]("Templates"), handle: (*Server).listTemplates,
		},
		{
			method: "GET", path: "/v1/templates/{name}", access: anyone, id: "get-template", summary: "Show a template",
			headers: []header{ifNoneMatch}, answers: ok[api.Template]("The template"), errors: []int{404}, handle: (*Server).getTemplate,
		},
		{
			method: "POST", path: "/v1/templates/validate", access: anyone, id: "validate-template", summary: "Check the text of a template",
			body: body{media: "application/toml"}, answers: ok[api.Template]("As it is understood"), errors: []int{422}, handle: (*Server).validateTemplate,
		},
		{
			method: "POST", path: "/v1/templates/{name}/validate", access: anyone, id: "validate-template-folder",
			summary: "Check the folder of a template, as a zip archive", body: body{media: "application/zip"},
			answers: ok[api.Template]("As it is understood"), errors: []int{422}, handle: (*Server).validateTemplateFolder,
		},
	}
}

func ok[T any](doc string) []answer {
	return []answer{{status: http.StatusOK, doc: doc, of: reflect.TypeFor[T]()}}
}

func jsonBody[T any](optional bool) body {
	return body{media: "application/json", of: reflect.TypeFor[T](), optional: optional}
}
