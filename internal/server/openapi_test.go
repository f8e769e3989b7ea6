package server

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestOpenAPIDocument(t *testing.T) {
	doc, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "../../../docs/openapi.json", doc)
	for _, word := range []string{"unpkg", "cdn", "$schema", "https://json-schema"} {
		if strings.Contains(string(doc), word) {
			t.Errorf("the document has %q in it", word)
		}
	}
	r := newRig(t, alice, func(o *Options) { o.Version = "" })
	a := r.do("GET", "/v1/openapi.json", "")
	if a.status != 200 || string(a.body) != string(doc) {
		t.Errorf("the server answers another document: %d", a.status)
	}
	for _, path := range []string{"/docs", "/openapi.json", "/openapi.yaml", "/schemas/Workspace", "/schemas/Workspace.json"} {
		if a := r.do("GET", path, ""); a.status != 404 {
			t.Errorf("%s gives %d", path, a.status)
		}
	}
}

// TestDocumentIsComplete checks the document against the route table and that every
// reference in it leads somewhere.
func TestDocumentIsComplete(t *testing.T) {
	raw, err := OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string                    `json:"operationId"`
			Summary     string                    `json:"summary"`
			Access      string                    `json:"x-access"`
			Responses   map[string]map[string]any `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas   map[string]any `json:"schemas"`
			Responses map[string]any `json:"responses"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range routes() {
		op, ok := doc.Paths[row.path][strings.ToLower(row.method)]
		if !ok || op.OperationID != row.id || op.Summary == "" || op.Access != string(row.access) {
			t.Errorf("%s %s is not described well: %+v", row.method, row.path, op)
		}
		if seen[row.id] {
			t.Errorf("operation id %s is there twice", row.id)
		}
		seen[row.id] = true
		for _, status := range []string{"400", "403", "500", "503"} {
			if op.Responses[status]["$ref"] != "#/components/responses/Problem" {
				t.Errorf("%s does not say that it may answer %s", row.id, status)
			}
		}
	}
	for ref := range refs(raw) {
		kind, name, _ := strings.Cut(strings.TrimPrefix(ref, "#/components/"), "/")
		where := map[string]map[string]any{"schemas": doc.Components.Schemas, "responses": doc.Components.Responses}[kind]
		if where[name] == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}

func refs(raw []byte) map[string]bool {
	found := map[string]bool{}
	for _, part := range strings.Split(string(raw), `"$ref": "`)[1:] {
		found[part[:strings.IndexByte(part, '"')]] = true
	}
	return found
}

// TestSchemasFitTheWire encodes values and looks for members that the document lacks,
// and for required ones that are not sent.
func TestSchemasFitTheWire(t *testing.T) {
	raw, _ := OpenAPI()
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any `json:"properties"`
				Required   []string       `json:"required"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{
		"Workspace": workspace.Workspace{}, "Job": workspace.Job{}, "Event": event.Event{}, "Problem": api.Problem{}, "Status": api.Status{},
		"PortLease": api.PortLease{}, "Message": api.Message{}, "Usage": workspace.Usage{}, "LogLine": workspace.LogLine{}, "JobKindStats": workspace.JobStats{},
		"Spec": workspace.Spec{}, "ExecControl": api.ExecControl{}, "Leftover": api.Leftover{}, "Template": api.Template{}, "Field": fault.Field{},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var sent map[string]any
		if err := json.Unmarshal(b, &sent); err != nil {
			t.Fatal(err)
		}
		schema := doc.Components.Schemas[name]
		for member := range sent {
			if schema.Properties[member] == nil {
				t.Errorf("%s.%s is sent but not described", name, member)
			}
		}
		for _, member := range schema.Required {
			if _, ok := sent[member]; !ok {
				t.Errorf("%s.%s is required but not sent", name, member)
			}
		}
	}
}
