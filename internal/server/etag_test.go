package server

import (
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

// TestChangesNeedTheRevision has row 23 of the catalogue. The workspace has revision 1.
func TestChangesNeedTheRevision(t *testing.T) {
	for _, tt := range []struct {
		name, match string // ID stands for the workspace's id
		patch       int
		code        string
		delete      int
	}{
		{"23 without If-Match", "", 428, "if_match_required", 202},
		{"23 with *", "*", 200, "", 202},
		{"23 with the revision", `"1"`, 200, "", 202},
		{"23 with the ETag", `"ID.1"`, 200, "", 202},
		{"23 with an older revision", `"2"`, 412, "revision_stale", 412},
		{"23 with an older ETag", `"ID.2"`, 412, "revision_stale", 412},
		{"23 with the ETag of a namesake that is gone", `"wzzzzzzzzzzzz.1"`, 412, "revision_stale", 412},
		{"a weak tag never matches", `W/"1"`, 412, "revision_stale", 412},
		{"revision 0 is not any revision", `"0"`, 412, "revision_stale", 412},
		{"a revision beyond 64 bits", `"99999999999999999999"`, 412, "revision_stale", 412},
		{"a tag that is not ours", `"abc"`, 412, "revision_stale", 412},
		{"without quotes", `1`, 400, "if_match_invalid", 400},
		{"one quote", `"1`, 400, "if_match_invalid", 400},
		{"two tags", `"1", "2"`, 400, "if_match_invalid", 400},
		{"only a comma", `,`, 428, "if_match_required", 202},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for method, want := range map[string]int{"PATCH": tt.patch, "DELETE": tt.delete} {
				r := newRig(t, alice)
				w := r.fake.add("one", alice.ID)
				path, body := "/v1/workspaces/one?force=true", ""
				if method == "PATCH" {
					path, body = "/v1/workspaces/one", `{"name":"two"}`
				}
				a := r.do(method, path, body, "If-Match: "+strings.ReplaceAll(tt.match, "ID", w.ID))
				if a.status != want {
					t.Errorf("%s gives %d, want %d: %s", method, a.status, want, a.body)
				}
				if method == "PATCH" && a.problem.Code != tt.code {
					t.Errorf("%s gives code %q, want %q", method, a.problem.Code, tt.code)
				}
				if changed := r.fake.workspaces[0].Revision != 1; changed != (want < 300) {
					t.Errorf("%s: changed is %v", method, changed)
				}
			}
		})
	}
}

func TestReadsAreConditional(t *testing.T) {
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	for _, path := range []string{"/v1/workspaces/one", "/v1/workspaces", "/v1/brief", "/v1/templates", "/v1/templates/static", "/v1/ports", "/v1/events", "/v1/jobs", "/v1/openapi.json"} {
		first := r.do("GET", path, "")
		tag := first.header.Get("ETag")
		if first.status != 200 || len(tag) < 3 || tag[0] != '"' {
			t.Fatalf("%s: %d with ETag %q", path, first.status, tag)
		}
		for _, tt := range []struct {
			name, header string
			status       int
		}{
			{"the same tag", tag, 304},
			{"the same tag, weak", "W/" + tag, 304},
			{"among others", `"x", ` + tag, 304},
			{"anything", "*", 304},
			{"another tag", `"x"`, 200},
			{"the tag without quotes", strings.Trim(tag, `"`), 200},
			{"no tag", "", 200},
		} {
			a := r.do("GET", path, "", "If-None-Match: "+tt.header)
			if a.status != tt.status || a.header.Get("ETag") != tag {
				t.Errorf("%s with %s: %d with ETag %q", path, tt.name, a.status, a.header.Get("ETag"))
			}
			if a.status == 304 && len(a.body) > 0 {
				t.Errorf("%s: a 304 with a body", path)
			}
		}
	}
}

func TestTagsChangeWithWhatTheyName(t *testing.T) {
	r := newRig(t, alice)
	one := r.fake.add("one", alice.ID)
	list, single := r.do("GET", "/v1/workspaces", "").header.Get("ETag"), r.do("GET", "/v1/workspaces/one", "").header.Get("ETag")
	r.do("PATCH", "/v1/workspaces/one", `{}`, "If-Match: "+single)
	for path, old := range map[string]string{"/v1/workspaces": list, "/v1/workspaces/one": single} {
		if a := r.do("GET", path, "", "If-None-Match: "+old); a.status != 200 || a.header.Get("ETag") == old {
			t.Errorf("%s is %d after a change", path, a.status)
		}
	}
	namesake := one
	namesake.ID = "wzzzzzzzzzzzz"
	if workspaceTag(one) == workspaceTag(namesake) {
		t.Error("another workspace has the same tag")
	}
	if workspaceTag(one) == workspaceTag(workspace.Workspace{ID: one.ID, Revision: 11}) {
		t.Error("another revision has the same tag")
	}
	before := r.do("GET", "/v1/workspaces", "").header.Get("ETag")
	r.fake.stale = true
	if a := r.do("GET", "/v1/workspaces", "", "If-None-Match: "+before); a.status != 200 {
		t.Errorf("the list became stale and gives %d", a.status)
	}
}
