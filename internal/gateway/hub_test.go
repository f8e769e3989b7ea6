package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestAClientIsToldTheStateWhoIsThereAndWhatHappens(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	first := r.dial(alice)
	joined, told := first.join("one", api.Join{})
	if joined.Name != "one" || joined.Session == "" || joined.Member == "" || joined.Recovered {
		t.Errorf("joined: %+v", joined)
	}
	if got := typesOf(told); !slices.Equal(got, []string{api.FrameSnapshot, api.FramePresence}) {
		t.Fatalf("told %v", got)
	}
	if s := of[api.Snapshot](t, told[0]); s.Workspace == nil || s.Workspace.ID != w.ID {
		t.Errorf("the snapshot is %s", told[0].Payload)
	}
	second := r.dial(root)
	other, _ := second.join("one", api.Join{})
	if p := of[api.Presence](t, first.until(api.FramePresence)); p.Event != "join" || p.Member.ID != other.Member || p.Member.User != root.ID {
		t.Errorf("presence: %+v", p)
	}
	r.fake.commit(w.ID, event.WorkspaceState, func(w *workspace.Workspace) { w.State = workspace.Stopping }, "from", "running", "to", "stopping")
	f := first.until(api.FrameState)
	if fact := of[api.Fact](t, f); f.Seq != 1 || f.Workspace != w.ID || fact.Event.Detail["to"] != "stopping" || fact.Workspace.State != workspace.Stopping {
		t.Errorf("state: %+v %s", f, f.Payload)
	}
	if again := second.until(api.FrameState); again.Seq != 1 || again.Epoch != f.Epoch || string(again.Payload) != string(f.Payload) {
		t.Errorf("the other is told %+v", again)
	}
	second.send(api.FrameCursor, "one", api.Cursor{Member: "m-forged", File: "a\x1b[31m.go", Line: 3})
	if c := of[api.Cursor](t, first.until(api.FrameCursor)); c.Member != other.Member || c.File != "a[31m.go" || c.Line != 3 {
		t.Errorf("cursor: %+v", c)
	}
	_ = second.conn.Close(websocket.StatusNormalClosure, "")
	for {
		if p := of[api.Presence](t, first.until(api.FramePresence)); p.Event == "leave" && p.Member.ID == other.Member {
			break
		}
	}
	eventually(t, "the lease of who left is given up", func() (closed bool) {
		r.fake.lease(1).read(func(l *lease) { closed = l.closed })
		return closed
	})
}

func TestOneWatchOfTheEngineFeedsEveryClient(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	r.fake.add("two", alice)
	for range 5 {
		p := r.dial(alice)
		p.join("one", api.Join{})
		p.join("two", api.Join{Observe: true})
		p.join(api.AllRooms, api.Join{Observe: true})
	}
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	if r.fake.watches != 1 {
		t.Errorf("the engine is watched %d times", r.fake.watches)
	}
}

func TestAnObserverHasNoLeaseIsNotShownAndGivesNoEvidence(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	p := r.dial(alice)
	joined, told := p.join("one", api.Join{Observe: true})
	if joined.Session != "" || joined.Member != "" || len(of[api.Presence](t, told[1]).Members) != 0 {
		t.Errorf("%+v, %s", joined, told[1].Payload)
	}
	p.send(api.FrameInteraction, "one", nil)
	if e := of[api.FrameProblem](t, p.next()); e.Code != "observer" || e.Re != api.FrameInteraction {
		t.Errorf("refused with %+v", e)
	}
	if len(r.fake.leases) != 0 {
		t.Error("there is a lease")
	}
}

func TestTheRoomOfAllShowsWhatIsTheVisitorsOwn(t *testing.T) {
	r := newRig(t, Limits{})
	mine, others := r.fake.add("mine", alice), r.fake.add("others", mallet)
	a, b := r.dial(alice), r.dial(root)
	_, told := a.join(api.AllRooms, api.Join{Observe: true})
	if s := of[api.Snapshot](t, told[0]); len(s.Workspaces) != 1 || s.Workspaces[0].ID != mine.ID {
		t.Fatalf("the snapshot is %s", told[0].Payload)
	}
	_, told = b.join(api.AllRooms, api.Join{Observe: true})
	if s := of[api.Snapshot](t, told[0]); len(s.Workspaces) != 2 {
		t.Fatalf("an admin sees %s", told[0].Payload)
	}
	r.fill(others.ID, 1)
	r.fake.signal(event.Signal{Kind: event.Progress, Workspace: others.ID, Detail: map[string]string{"stage": "pull"}})
	r.fill(mine.ID, 1)
	r.fake.commit("", event.EngineLost, nil)
	if f := a.next(); of[api.Fact](t, f).Event.Workspace != mine.ID || f.Seq != 1 {
		t.Errorf("alice is told %+v %s", f, f.Payload)
	}
	if f := a.next(); f.Type != api.FrameDaemon || f.Seq != 2 {
		t.Errorf("alice is told %+v", f)
	}
	var got []string
	for range 4 {
		got = append(got, b.next().Type)
	}
	if !slices.Equal(got, []string{api.FrameUpdated, api.FrameProgress, api.FrameUpdated, api.FrameDaemon}) {
		t.Errorf("an admin is told %v", got)
	}
	a.send(api.FrameJoin, api.AllRooms, api.Join{})
	if e := of[api.FrameProblem](t, a.next()); e.Code != "observe_required" {
		t.Errorf("a visit to all is answered with %+v", e)
	}
}

func TestEachMessageIsAuthorised(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	m := r.dial(mallet)
	m.send(api.FrameJoin, "one", nil)
	if e := of[api.FrameProblem](t, m.next()); e.Code != "workspace_not_found" {
		t.Errorf("a stranger is answered with %+v", e)
	}
	a := r.dial(alice)
	a.join("one", api.Join{})
	a.send(api.FrameInteraction, "one", nil)
	a.send(api.FramePing, "", nil)
	a.until(api.FramePong)
	// The owner changes before anybody is told of it: the next message is already refused.
	r.fake.mu.Lock()
	w.Owner = mallet.ID
	r.fake.rows[w.ID] = w
	r.fake.mu.Unlock()
	for _, typ := range []string{api.FrameInteraction, api.FrameNavigation, api.FrameFileChange, api.FrameVisibility, api.FrameCursor, api.FrameSubscribe} {
		a.send(typ, w.ID, map[string]any{})
		if e := of[api.FrameProblem](t, a.next()); e.Code != "workspace_not_found" || e.Re != typ {
			t.Errorf("%s is answered with %+v", typ, e)
		}
	}
	r.fake.lease(0).read(func(l *lease) {
		if len(l.engaged) != 1 {
			t.Errorf("evidence: %v", l.engaged)
		}
	})
	r.fill(w.ID, 2)
	if f := a.until(api.FrameLeft); of[api.Left](t, f).Reason != "denied" {
		t.Errorf("left: %s", f.Payload)
	}
	a.send(api.FramePing, "", api.Ping{T: 7})
	if f := a.next(); f.Type != api.FramePong {
		t.Errorf("after it left the room it is told %s", f.Type)
	}
}

func TestADeletedWorkspaceEndsItsRoom(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	r.fake.commit(w.ID, event.WorkspaceDeleted, nil)
	p.until(api.FrameDeleted)
	if f := p.next(); f.Type != api.FrameLeft || of[api.Left](t, f).Reason != "deleted" {
		t.Errorf("then came %s %s", f.Type, f.Payload)
	}
}

func TestAKickedClientIsToldNotToComeBack(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	close(r.fake.lease(0).kicked)
	if f := p.until(api.FrameLeft); of[api.Left](t, f).Reason != "kicked" {
		t.Errorf("left: %s", f.Payload)
	}
	if last, code := p.gone(); code != api.CloseKicked || of[api.Bye](t, last).Code != api.CloseKicked {
		t.Errorf("closed with %d after %s", code, last.Payload)
	}
}

func TestWhatToolsPublishIsPassedOnAsItIs(t *testing.T) {
	r := newRig(t, Limits{PayloadBytes: 100})
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	for _, tt := range []struct{ name, typ, payload, code string }{
		{"an error of a build", api.FrameBuildError, `{"id":"b1","errors":[{"text":"no"}]}`, ""},
		{"a changed style sheet", api.FrameCSSUpdate, `{"path":"/a.css","t":1}`, ""},
		{"a type that only wsd sends", api.FrameState, `{}`, "type_unknown"},
		{"a list", api.FrameReload, `[]`, "payload_invalid"},
		{"null", api.FrameReload, `null`, "payload_invalid"},
		{"no JSON", api.FrameReload, `{`, "payload_invalid"},
		{"too much", api.FrameConsole, `{"text":"` + strings.Repeat("x", 100) + `"}`, "payload_too_large"},
	} {
		err := r.hub.Publish(w.ID, tt.typ, json.RawMessage(tt.payload))
		if got := codeOf(err); got != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.code == "" {
			if f := p.next(); f.Type != tt.typ || string(f.Payload) != tt.payload || f.Seq == 0 {
				t.Errorf("%s: told %+v %s", tt.name, f, f.Payload)
			}
		}
	}
	if err := r.hub.Publish("w-nobody", api.FrameReload, json.RawMessage(`{}`)); err != nil {
		t.Error(err)
	}
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return problem(err).Code
}

func TestConnectionsAreCounted(t *testing.T) {
	r := newRig(t, Limits{Connections: 3, PerUser: 2})
	first, second := r.dial(alice), r.dial(alice)
	if _, err := r.hub.Admit(alice); codeOf(err) != "too_many_connections" {
		t.Errorf("a third of one user: %v", err)
	}
	r.dial(mallet)
	if _, err := r.hub.Admit(root); codeOf(err) != "too_many_connections" {
		t.Errorf("a fourth of all: %v", err)
	}
	_, _ = first.conn.CloseNow(), second.conn.CloseNow()
	eventually(t, "there is room again", func() bool {
		leave, err := r.hub.Admit(alice)
		if err == nil {
			leave()
		}
		return err == nil
	})
}

func TestARoomInWhichNobodyIsIsForgotten(t *testing.T) {
	r := newRig(t, Limits{Room: 1})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	p.send(api.FrameLeave, "one", nil)
	p.until(api.FrameLeft)
	eventually(t, "no room is left", func() bool {
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		return len(r.hub.rooms) == 0
	})
}

func TestWhenWsdEndsClientsAreToldWhenToComeBack(t *testing.T) {
	r := newRig(t, Limits{})
	r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	close(r.leave)
	last, code := p.gone()
	if b := of[api.Bye](t, last); code != websocket.StatusGoingAway || b.Code != 1001 || b.RetryAfterMS <= 0 {
		t.Errorf("closed with %d after %s", code, fmt.Sprint(b))
	}
}

func TestHowItIsUsedIsToldAsItIsNowAlsoToWhoComesLater(t *testing.T) {
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	p := r.dial(alice)
	p.join("one", api.Join{})
	at := "2030-01-02T03:04:05.5Z"
	r.fake.commit(w.ID, event.ActivityLevel, nil, "from", "active", "to", "idle", "stop_at", at, "cause", "engagement")
	f := p.next()
	if u := of[api.Use](t, f); f.Type != api.FrameActivity || f.Seq != 0 || u.Level != "idle" || u.From != "active" || u.StopAt.Format("15:04:05") != "03:04:05" {
		t.Errorf("told %+v %s", f, f.Payload)
	}
	r.fake.signal(event.Signal{Kind: event.StopMoved, Workspace: w.ID, Detail: map[string]string{"level": "idle", "stop_at": "", "cause": "never"}})
	if u := of[api.Use](t, p.next()); u.Level != "idle" || !u.StopAt.IsZero() || u.Cause != "never" {
		t.Errorf("then told %+v", u)
	}
	r.fake.commit(w.ID, event.ActivityWarning, nil, "left", "5m0s")
	if f := p.next(); f.Type != api.FrameWarning || f.Seq != 1 {
		t.Errorf("a warning is %+v", f)
	}
	_, told := r.dial(alice).join("one", api.Join{Epoch: f.Epoch, Since: 1})
	if !slices.Equal(typesOf(told), []string{api.FrameActivity, api.FramePresence}) || of[api.Use](t, told[0]).Cause != "never" {
		t.Errorf("who comes later is told %v %s", typesOf(told), told[0].Payload)
	}
}

// What comes later is told nothing of a use that is over, and the room of all, which never
// ends, keeps nothing of what was deleted.
func TestTheUseOfARunIsForgottenWithItsEnd(t *testing.T) {
	for name, end := range map[string]func(r *rig, id string){
		"stopped": func(r *rig, id string) {
			r.fake.commit(id, event.WorkspaceState, nil, "from", "running", "to", "stopping")
		},
		"deleted": func(r *rig, id string) { r.fake.commit(id, event.WorkspaceDeleted, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Limits{})
			w := r.fake.add("one", alice)
			p := r.dial(alice)
			p.join(api.AllRooms, api.Join{Observe: true})
			r.fill(w.ID, 1) // so that its owner is known
			r.fake.signal(event.Signal{Kind: event.StopMoved, Workspace: w.ID, Detail: map[string]string{"level": "idle"}})
			r.fake.commit(w.ID, event.WorkspaceState, nil, "from", "running", "to", "paused") // it may be resumed
			p.until(api.FrameActivity)
			p.until(api.FrameState)
			room := r.hub.room(lobbyKey(alice), api.AllRooms)
			if n := room.remembered(); n != 1 {
				t.Fatalf("while it runs %d frames are kept", n)
			}
			end(r, w.ID)
			eventually(t, "it is forgotten", func() bool { return room.remembered() == 0 })
		})
	}
}

// remembered is how many frames are kept for who comes later.
func (r *room) remembered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.latest)
}
