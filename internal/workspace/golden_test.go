package workspace

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"
)

// The struct is the wire and the disk: a changed name breaks scripts and stores.
func TestWorkspaceJSONIsPinned(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	w := Workspace{
		ID: "wabcdefghijkl", Name: "demo", Owner: "uid:1000", Labels: map[string]string{"team": "web"},
		Spec: Spec{
			Template: "static", Image: "wsd:base", Digest: "sha256:ab", Command: []string{"httpd"}, Env: map[string]string{"A": "b"},
			Port: 8080, Ready: ReadyPort, Profile: Strict, Limits: Limits{CPUs: 1.5, Memory: 1 << 30, Pids: 512},
			Timeouts: Timeouts{Create: Duration(time.Minute), Initialize: Duration(time.Minute), Start: Duration(time.Minute), Stop: Duration(time.Second), PreStop: Duration(time.Second)},
			PreStop:  []string{"sync"}, Files: []File{{Path: "public/index.html", Mode: 0o644, Content: "x"}},
		},
		State: Running, Desired: WantRunning, Run: "rabcdefghijkl", Generation: 1, Revision: 7, Slot: 1, Port: 8000, Container: "c0ffee",
		Conditions: []Condition{{Type: Ready, Status: true, Reason: "port", Time: at}},
		Stop:       &Stop{Reason: StoppedByUser, Actor: "uid:1000", Run: "r0", Time: at},
		Death:      &Death{Run: "r0", ExitCode: 137, OOMKilled: true, PeakMemory: 1, Log: []string{"bye"}, Time: at},
		Job:        "jabcdefghijkl", CreatedAt: at, UpdatedAt: at, StartedAt: at, ReadyAt: at, StoppedAt: at,
	}
	got, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/workspace.json"
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(bytes.TrimSpace(want), got) {
		t.Errorf("the JSON of a workspace has changed:\n%s", got)
	}
	var back Workspace
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, w) {
		t.Errorf("reading it back gives another workspace: %+v, %v", back, err)
	}
	if c := w.Clone(); !reflect.DeepEqual(c, w) {
		t.Error("a clone differs")
	} else if c.Labels["team"] = "api"; w.Labels["team"] != "web" {
		t.Error("a clone shares its labels")
	}
}

func TestConditionTimeMovesOnlyWithItsStatus(t *testing.T) {
	var w Workspace
	first := time.Unix(1, 0)
	if !w.SetCondition(first, Condition{Type: Ready, Status: true, Reason: "port"}) {
		t.Error("a new condition is no change")
	}
	if w.SetCondition(time.Unix(2, 0), Condition{Type: Ready, Status: true, Reason: "port"}) {
		t.Error("the same condition is a change")
	}
	w.SetCondition(time.Unix(3, 0), Condition{Type: Ready, Status: true, Reason: "process"})
	if c, _ := w.Condition(Ready); !c.Time.Equal(first) {
		t.Errorf("its time moved to %v with the reason alone", c.Time)
	}
	w.SetCondition(time.Unix(4, 0), Condition{Type: Ready})
	if c, _ := w.Condition(Ready); !c.Time.Equal(time.Unix(4, 0)) {
		t.Errorf("its time stayed at %v although the status changed", c.Time)
	}
	if !w.DropCondition(Ready) || w.DropCondition(Ready) {
		t.Error("dropping does not tell whether it was known")
	}
}
