package server

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestABriefListHasWhatATableShows(t *testing.T) {
	r := newRig(t, alice)
	w := r.fake.add("one", alice.ID)
	r.fake.add("hidden", "uid:4242")
	made := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	stored := &r.fake.workspaces[slices.IndexFunc(r.fake.workspaces, func(v workspace.Workspace) bool { return v.ID == w.ID })]
	stored.Labels, stored.State, stored.Desired, stored.Port = map[string]string{"a": "b"}, workspace.Failed, workspace.WantRunning, 8003
	stored.Spec.Template, stored.Spec.Image, stored.Job, stored.CreatedAt = "static", "wsd:base", "j1", made
	stored.Conditions = []workspace.Condition{{Type: workspace.Attention, Status: true, Reason: "job_failed"}}
	a := r.do("GET", "/v1/brief", "")
	var got api.BriefList
	r.decode(a, &got)
	want := api.BriefList{Workspaces: []api.Brief{{
		ID: w.ID, Name: "one", Owner: alice.ID, Labels: map[string]string{"a": "b"}, State: workspace.Failed, Desired: workspace.WantRunning,
		Port: 8003, Template: "static", Reason: "job_failed", Job: "j1", CreatedAt: made,
	}}}
	if a.status != 200 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d: %s\nwant %+v", a.status, a.body, want)
	}
	r.fake.stale = true
	r.decode(r.do("GET", "/v1/brief", ""), &got)
	if !got.Stale {
		t.Error("the list is not stale")
	}
}

func TestABriefListOfNothingIsAnEmptyList(t *testing.T) {
	if a := newRig(t, alice).do("GET", "/v1/brief", ""); !strings.Contains(string(a.body), `"workspaces":[]`) {
		t.Errorf("got %s", a.body)
	}
}

func TestABriefListHasNoPages(t *testing.T) {
	for _, query := range []string{"limit=1", "cursor=one"} {
		if a := newRig(t, alice).do("GET", "/v1/brief?"+query, ""); a.status != 400 || a.problem.Code != "unknown_parameter" {
			t.Errorf("%s gives %d %s", query, a.status, a.problem.Code)
		}
	}
}

func TestAnAnswerTellsItsLength(t *testing.T) {
	r := newRig(t, alice)
	for i := range 40 { // more than net/http would count by itself
		r.fake.add(fmt.Sprintf("ws-%d", i), alice.ID)
	}
	a := r.do("GET", "/v1/brief", "")
	if got := a.header.Get("Content-Length"); got != strconv.Itoa(len(a.body)) || len(a.body) < 4096 {
		t.Errorf("Content-Length is %q of %d bytes", got, len(a.body))
	}
	tag := a.header.Get("ETag")
	if a := r.do("GET", "/v1/brief", "", "If-None-Match: "+tag); a.status != 304 || len(a.body) != 0 {
		t.Errorf("got %d with %d bytes", a.status, len(a.body))
	}
}
