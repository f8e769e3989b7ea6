package engine

import (
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// turn is one decision: the transaction it is made in, the one instant that it
// happens at, what it has to say once committed, and how to undo what it did
// outside of the store.
type turn struct {
	*store.Tx
	now      time.Time
	messages []api.Message
	rows     map[string]*workspace.Workspace // as last written in this turn
	undos    []func()
	afters   []func()
}

// undo takes back what the turn did outside of the store.
func (t *turn) undo() {
	for i := len(t.undos) - 1; i >= 0; i-- {
		t.undos[i]()
	}
	t.undos = nil
}

// after runs fn in the loop once the turn is committed.
func (t *turn) after(fn func()) { t.afters = append(t.afters, fn) }

func (t *turn) settle() {
	for _, fn := range t.afters {
		fn()
	}
}

// put writes w with its next revision.
func (t *turn) put(w *workspace.Workspace) error {
	w.Revision++
	w.UpdatedAt = t.now
	if t.rows == nil {
		t.rows = make(map[string]*workspace.Workspace)
	}
	c := w.Clone()
	t.rows[w.ID] = &c
	return t.PutWorkspace(*w)
}

// news is what the turn has to say, with every workspace as it was committed: between
// two writes of one turn it may have been in a state that nobody else ever saw.
func (t *turn) news() []api.Message {
	for i, m := range t.messages {
		if m.Workspace == nil {
			continue
		}
		if row, ok := t.rows[m.Workspace.ID]; ok {
			t.messages[i].Workspace = row
		}
	}
	return t.messages
}

// tell appends a fact about w; w is shown beside it as the turn leaves it.
func (t *turn) tell(w *workspace.Workspace, actor string, kind event.Kind, detail map[string]string) error {
	ev := event.Event{Time: t.now, Kind: kind, Actor: actor, Result: "ok", Detail: detail}
	msg := api.Message{Type: "event"}
	if w != nil {
		ev.Workspace, ev.Name, ev.Owner, ev.Run = w.ID, w.Name, w.Owner, w.Run
		if kind != event.WorkspaceDeleted {
			c := w.Clone()
			msg.Workspace = &c
		}
	}
	ev, err := t.Append(ev)
	if err != nil {
		return err
	}
	msg.Seq, msg.Event = ev.Seq, &ev
	t.messages = append(t.messages, msg)
	return nil
}

// tellOwner appends a fact that is about actor's own and no workspace.
func (t *turn) tellOwner(actor string, kind event.Kind, detail map[string]string) error {
	ev, err := t.Append(event.Event{Time: t.now, Kind: kind, Actor: actor, Owner: actor, Result: "ok", Detail: detail})
	if err == nil {
		t.messages = append(t.messages, api.Message{Type: "event", Seq: ev.Seq, Event: &ev})
	}
	return err
}

// move takes w to the state that follows on trigger, writes it and tells of it.
func (t *turn) move(w *workspace.Workspace, trigger workspace.Trigger, actor string) error {
	from := w.State
	to, err := from.On(trigger)
	if err != nil {
		return err
	}
	w.State = to
	if to == workspace.Stopped || to == workspace.Failed { // nothing is missed any more
		w.DropCondition(workspace.AgentUnreachable)
		w.DropCondition(workspace.AgentOutdated)
		w.DropCondition(workspace.NetworkLost)
	}
	if err := t.put(w); err != nil {
		return err
	}
	return t.tell(w, actor, event.WorkspaceState, map[string]string{
		"from": string(from), "to": string(to), "trigger": string(trigger),
	})
}

// note sets a condition, and writes and tells it when it changed.
func (t *turn) note(w *workspace.Workspace, c workspace.Condition) error {
	if !w.SetCondition(t.now, c) {
		return nil
	}
	if err := t.put(w); err != nil {
		return err
	}
	return t.tell(w, workspace.Daemon, event.WorkspaceCondition, map[string]string{
		"type": string(c.Type), "status": strconv.FormatBool(c.Status), "reason": c.Reason,
	})
}

// unnote takes a condition back, and writes and tells that when it was there.
func (t *turn) unnote(w *workspace.Workspace, kind workspace.ConditionType) error {
	if !w.DropCondition(kind) {
		return nil
	}
	if err := t.put(w); err != nil {
		return err
	}
	return t.tell(w, workspace.Daemon, event.WorkspaceCondition, map[string]string{"type": string(kind), "status": "false"})
}
