package server

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

// fakeActivity has one session and keeps holds.
type fakeActivity struct {
	mu    sync.Mutex
	uses  map[string]api.Activity
	holds []activity.Hold
	asked []string
	seats []*fakeLease
}

func (f *fakeActivity) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, what)
}

func (f *fakeActivity) Attend(_ context.Context, _ workspace.Actor, _ string, v activity.Visitor) (activity.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeLease{visitor: v, id: "s" + strconv.Itoa(len(f.seats)+1), kicked: make(chan struct{}), closed: make(chan struct{})}
	f.seats = append(f.seats, l)
	return l, nil
}

func (f *fakeActivity) Sessions(_ context.Context, a workspace.Actor, ref string) ([]activity.Session, error) {
	if ref == "none" {
		return nil, nil
	}
	return []activity.Session{{ID: "sa", Workspace: "w" + ref, User: a.ID, Kind: activity.SSH, Quality: activity.Stable}}, nil
}

func (f *fakeActivity) Kick(_ context.Context, _ workspace.Actor, ref, id string) error {
	f.note("kick " + ref + " " + id)
	return nil
}

func (f *fakeActivity) Why(context.Context, workspace.Actor, string) (api.Why, error) {
	return api.Why{Now: epoch, Level: activity.Idle, Sessions: []activity.Session{}, Holds: []activity.Hold{}, Ledger: activity.Ledger{}, Next: []api.Transition{}}, nil
}

func (f *fakeActivity) Hold(_ context.Context, a workspace.Actor, _ string, req api.HoldRequest) (activity.Hold, error) {
	h := activity.Hold{ID: "ha", Reason: req.Reason, Actor: a.ID, CreatedAt: epoch, Until: epoch.Add(req.For.Std())}
	f.holds = append(f.holds, h)
	return h, nil
}

func (f *fakeActivity) Unhold(_ context.Context, _ workspace.Actor, ref, id string) error {
	f.note("unhold " + ref + " " + id)
	return nil
}

func (f *fakeActivity) Extend(ctx context.Context, a workspace.Actor, ref string, req api.Extend) (api.Why, error) {
	f.note("extend " + ref + " " + req.For.String())
	return f.Why(ctx, a, ref)
}

func (f *fakeActivity) Policies(context.Context, workspace.Actor) (api.PolicyList, error) {
	list := api.PolicyList{Default: activity.DefaultPolicy}
	for _, p := range activity.Policies() {
		list.Policies = append(list.Policies, api.PolicyOf(p))
	}
	return list, nil
}

func (f *fakeActivity) Uses(ids ...string) map[string]api.Activity {
	out := map[string]api.Activity{}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if u, ok := f.uses[id]; ok {
			out[id] = u
		}
	}
	return out
}

func (f *fakeActivity) use(id string, a api.Activity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.uses == nil {
		f.uses = map[string]api.Activity{}
	}
	f.uses[id] = a
}

func TestSessionsHoldsAndWhyAreAnswered(t *testing.T) {
	r := newRig(t, alice)
	r.fake.add("one", alice.ID)
	for _, tt := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/v1/sessions", "", 200, `"workspace":"w"`},
		{"GET", "/v1/workspaces/one/sessions", "", 200, `"workspace":"wone"`},
		{"GET", "/v1/workspaces/none/sessions", "", 200, `"sessions":[]`},
		{"DELETE", "/v1/workspaces/one/sessions/sa", "", 204, ""},
		{"GET", "/v1/workspaces/one/why", "", 200, `"level":"idle"`},
		{"POST", "/v1/workspaces/one/holds", `{"for":"2h","reason":"tests"}`, 201, `"reason":"tests"`},
		{"POST", "/v1/workspaces/one/holds", "", 201, `"id":"ha"`},
		{"DELETE", "/v1/workspaces/one/holds/ha", "", 204, ""},
		{"POST", "/v1/workspaces/one/extend", `{"for":"1h"}`, 200, `"level":"idle"`},
		{"POST", "/v1/workspaces/one/extend", "", 200, `"level":"idle"`},
		{"POST", "/v1/workspaces/one/holds", `{"until":"2h"}`, 400, "unknown_field"},
		{"POST", "/v1/workspaces/one/extend", `{"for":"two hours"}`, 400, "duration_invalid"},
		{"GET", "/v1/workspaces/one/why?verbose=true", "", 400, "unknown_parameter"},
	} {
		a := r.do(tt.method, tt.path, tt.body)
		if a.status != tt.status || !strings.Contains(string(a.body), tt.has) {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, a.status, a.body)
		}
	}
	if got := strings.Join(r.fake.asked, ", "); got != "kick one sa, unhold one ha, extend one 1h0m0s, extend one 0s" {
		t.Errorf("the backend was asked: %s", got)
	}
	if until := r.fake.holds[0].Until; !until.Equal(epoch.Add(2 * time.Hour)) {
		t.Errorf("held until %v", until)
	}
}

// How a workspace is used is told beside it, moves the tag of a read, and never the
// revision that changes are made for.
func TestTheTagOfAReadCoversItsUseAndAChangeNeedsTheRevisionAlone(t *testing.T) {
	r := newRig(t, alice)
	w := r.fake.add("one", alice.ID)
	quiet := r.do("GET", "/v1/workspaces/one", "")
	r.fake.use(w.ID, api.Activity{Level: activity.Active, StopAt: epoch, Sessions: 2})
	first := r.do("GET", "/v1/workspaces/one", "", "If-None-Match: "+quiet.header.Get("ETag"))
	var l api.Live
	r.decode(first, &l)
	if first.status != 200 || l.Activity == nil || l.Activity.Sessions != 2 || l.Name != "one" || strings.Contains(string(quiet.body), "activity") {
		t.Fatalf("got %d %s, before: %s", first.status, first.body, quiet.body)
	}
	tag := first.header.Get("ETag")
	if a := r.do("GET", "/v1/workspaces/one", "", "If-None-Match: "+tag); a.status != http.StatusNotModified {
		t.Errorf("an unchanged read gives %d", a.status)
	}
	r.fake.use(w.ID, api.Activity{Level: activity.Idle, StopAt: epoch, Sessions: 2})
	if a := r.do("GET", "/v1/workspaces/one", "", "If-None-Match: "+tag); a.status != 200 || a.header.Get("ETag") == tag {
		t.Errorf("another level gives %d with tag %s", a.status, a.header.Get("ETag"))
	}
	if a := r.do("PATCH", "/v1/workspaces/one", `{"name":"two"}`, "If-Match: "+tag); a.status != 200 {
		t.Errorf("a change made for the revision gives %d %s", a.status, a.body)
	}
	if a := r.do("PATCH", "/v1/workspaces/two", `{"name":"six"}`, "If-Match: "+tag); a.status != 412 {
		t.Errorf("a change made for an older revision gives %d", a.status)
	}
	var list api.LiveList
	if err := json.Unmarshal(r.do("GET", "/v1/workspaces", "").body, &list); err != nil || list.Workspaces[0].Activity.Level != activity.Idle {
		t.Errorf("the list has %+v, %v", list, err)
	}
}
