package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

const schemaPrefix = "#/components/schemas/"

// newAPI returns an empty API whose JSON is strict on the way in and whose schemas
// are named here. Of huma it uses schemas, document and adapter; binding and errors
// are ours (see handle.go), because huma's have no codes and no strictness. Its page
// for people, schema links and extra paths stay off.
func newAPI(mux *http.ServeMux, version string) huma.API {
	if version == "" {
		version = api.Version
	}
	json := huma.Format{Marshal: encode, Unmarshal: decode}
	cfg := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "wsd", Version: version,
				Description: "The local API of the workspace daemon, over its unix socket. Contract version " + api.Version + ".",
			},
			Servers:    []*huma.Server{{URL: "http://wsd", Description: "Through the daemon's unix socket"}},
			Components: &huma.Components{Schemas: huma.NewMapRegistry(schemaPrefix, schemaName)},
		},
		Formats:       map[string]huma.Format{"application/json": json, "json": json},
		DefaultFormat: "application/json",
	}
	return huma.NewAPI(cfg, humago.NewAdapter(mux, ""))
}

// schemaName keeps names apart that two packages use.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[workspace.JobStats]():
		return "JobKindStats"
	case reflect.TypeFor[api.Create]():
		return "CreateRequest"
	case reflect.TypeFor[api.Update]():
		return "UpdateRequest"
	case reflect.TypeFor[gcRequest]():
		return "GCRequest"
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// operation describes the row.
func (r route) operation(schemas huma.Registry) *huma.Operation {
	op := &huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Tags: []string{strings.Split(r.path, "/")[2]},
		Description: accessDoc[r.access], Extensions: map[string]any{"x-access": string(r.access)},
		Parameters: r.parameters(), Responses: map[string]*huma.Response{},
	}
	if r.body.media != "" {
		schema := &huma.Schema{Type: "string"}
		if r.body.of != nil {
			schema = schemas.Schema(r.body.of, true, "")
		}
		op.RequestBody = &huma.RequestBody{Required: !r.body.optional, Content: map[string]*huma.MediaType{r.body.media: {Schema: schema}}}
	}
	for _, a := range r.answers {
		op.Responses[strconv.Itoa(a.status)] = a.response(schemas)
	}
	schemas.Schema(reflect.TypeFor[api.Problem](), true, "")
	for _, status := range r.statuses() {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Ref: "#/components/responses/Problem"}
	}
	if slices.Contains(r.headers, ifNoneMatch) {
		op.Responses["304"] = &huma.Response{Description: "Unchanged since the answer with that ETag"}
	}
	return op
}

var accessDoc = map[access]string{
	anyone: "For every user that may connect.",
	owner:  "For every user that may connect; shows and changes only what is theirs. Administrators see everything.",
	admin:  "For root and the daemon's own user.",
}

// statuses returns every error of the row, sorted.
func (r route) statuses() []int {
	all := append([]int{400, 403, 500, 503}, r.errors...)
	if r.body.media != "" {
		all = append(all, 408, 413, 415)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r route) parameters() []*huma.Param {
	var list []*huma.Param
	for segment := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			list = append(list, &huma.Param{Name: name, In: "path", Required: true, Description: pathDoc[name], Schema: &huma.Schema{Type: "string"}})
		}
	}
	for _, p := range r.params {
		list = append(list, p.document())
	}
	for _, h := range r.headers {
		list = append(list, &huma.Param{Name: h.name, In: "header", Description: h.doc, Required: h.required, Schema: &huma.Schema{Type: "string"}})
	}
	return list
}

var pathDoc = map[string]string{
	"ref":  "Id, name, or unambiguous beginning of the id of a workspace",
	"id":   "Id of a job",
	"name": "Name of a template",
}

func (p param) document() *huma.Param {
	s := &huma.Schema{Type: "string"}
	switch p.kind {
	case boolean:
		s.Type = "boolean"
	case number:
		s.Type = "integer"
		low, high := float64(p.min), float64(p.max)
		s.Minimum = &low
		if p.max < 1<<53 { // larger ones are not exact in JSON
			s.Maximum = &high
		}
	case instant:
		s.Format = "date-time"
	}
	for _, w := range p.words {
		s.Enum = append(s.Enum, w)
	}
	doc := &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: s}
	if p.many {
		doc.Schema = &huma.Schema{Type: "array", Items: s}
	}
	return doc
}

func (a answer) response(schemas huma.Registry) *huma.Response {
	resp := &huma.Response{Description: a.doc}
	media := a.media
	if media == "" {
		media = "application/json"
	}
	switch {
	case a.of != nil && a.of.Kind() == reflect.Map:
		resp.Content = map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: "object"}}}
	case a.of != nil:
		resp.Content = map[string]*huma.MediaType{media: {Schema: schemas.Schema(a.of, true, "")}}
	case a.media != "":
		resp.Content = map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: "string", Format: "binary"}}}
	}
	return resp
}

// requests are the schemas of what clients send: these alone refuse unknown members.
var requests = map[string]bool{"CreateRequest": true, "UpdateRequest": true, "GCRequest": true, "PartialLimits": true}

// enums are words that the types do not tell by themselves.
func enums() map[string][]any {
	return map[string][]any{
		"Workspace.state":   anys(workspace.States()),
		"Workspace.desired": anys([]workspace.Desired{workspace.WantRunning, workspace.WantStopped, workspace.WantPaused, workspace.WantDeleted}),
		"Spec.profile":      anys([]workspace.Profile{workspace.Strict, workspace.Writable, workspace.Admin}),
		"Spec.ready":        anys([]workspace.ReadyCheck{workspace.ReadyPort, workspace.ReadyProcess}),
		"Job.kind":          anys(workspace.JobKinds()),
		"Check.status":      {"ok", "warn", "fail"},
		"LogLine.stream":    {"stdout", "stderr"},
		"Message.type":      {"hello", "snapshot", "event", "signal", "ping", "resync"},
	}
}

func anys[T ~string](all []T) []any {
	list := make([]any, len(all))
	for i, w := range all {
		list[i] = string(w)
	}
	return list
}

// describe returns the document of the whole API as indented JSON.
func describe(version string) []byte {
	doc := newAPI(http.NewServeMux(), version).OpenAPI()
	for _, row := range routes() {
		doc.AddOperation(row.operation(doc.Components.Schemas))
	}
	doc.Components.Responses = map[string]*huma.Response{"Problem": {
		Description: "The request failed (RFC 9457)",
		Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: schemaPrefix + "Problem"}}},
		Headers: map[string]*huma.Param{
			api.HeaderRequestID: {Description: "Id under which the daemon logged the request", Schema: &huma.Schema{Type: "string"}},
			"Retry-After":       {Description: "Seconds after which trying again makes sense", Schema: &huma.Schema{Type: "integer"}},
		},
	}}
	schemas := doc.Components.Schemas
	schemas.Schema(reflect.TypeFor[api.ExecStart](), true, "") // spoken inside the WebSocket
	schemas.Schema(reflect.TypeFor[api.ExecControl](), true, "")
	schemas.Schema(reflect.TypeFor[event.Event](), true, "")
	for _, t := range payloads() {
		schemas.Schema(t, true, "")
	}
	for name, s := range schemas.Map() {
		polish(name, s)
	}
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("server: the API cannot be described: %v", err))
	}
	var buf bytes.Buffer
	if err := json.Indent(&buf, raw, "", "  "); err != nil {
		panic(fmt.Sprintf("server: the API cannot be described: %v", err))
	}
	buf.WriteByte('\n')
	return buf.Bytes()
}

// polish makes a schema say what really goes over the wire: lists are never null,
// answers may grow members, requests may not.
func polish(name string, s *huma.Schema) {
	if !requests[name] {
		s.AdditionalProperties = nil
	}
	words := enums()
	for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[property]
		if p.Type == "array" {
			p.Nullable = false
		}
		if e, ok := words[name+"."+property]; ok {
			p.Enum = e
		}
	}
}

// OpenAPI returns the document that GET /v1/openapi.json answers with, for version
// api.Version; `make generate` writes it to docs.
func OpenAPI() ([]byte, error) { return describe(""), nil }
