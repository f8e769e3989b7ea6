package daemon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/activity"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/wstest"
)

// Who only looks does not keep a workspace running: every GET of the API, streams
// included, leaves the record as it is and becomes no fact.
func TestReadsNeverWriteActivity(t *testing.T) {
	d := wstest.Start(t)
	w, err := d.Create(t.Context(), api.Create{Name: "demo"}, "")
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.Config.Socket)
	}}}
	defer hc.CloseIdleConnections()
	read := func(path string, within time.Duration) string {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://wsd"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := hc.Do(req)
		if err != nil {
			return ""
		}
		defer res.Body.Close()
		line, _ := bufio.NewReader(res.Body).ReadString(0)
		return line
	}
	look := func(path string) string { return read(path, 300*time.Millisecond) } // streams go on
	state := func() (y api.Why, seq uint64) {
		var s api.Status
		if err := json.Unmarshal([]byte(read("/v1/workspaces/demo/why", time.Minute)), &y); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(read("/v1/status", time.Minute)), &s); err != nil {
			t.Fatal(err)
		}
		y.Now = time.Time{}
		return y, s.Seq
	}
	for y, _ := state(); y.Workspace.State != "running" || y.Workspace.Job != ""; y, _ = state() {
		if t.Context().Err() != nil {
			t.Fatal("it does not start")
		}
	}
	before, seq := state()
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(read("/v1/openapi.json", time.Minute)), &doc); err != nil {
		t.Fatal(err)
	}
	walked := 0
	fill := strings.NewReplacer("{ref}", "demo", "{name}", "static", "{id}", "jaaaaaaaaaaaa", "{port}", "8080")
	for path, methods := range doc.Paths {
		if _, reads := methods["get"]; !reads {
			continue
		}
		walked++
		path = fill.Replace(path)
		look(path)
		if !strings.HasSuffix(path, "/logs") { // who follows the output is connected: a session, and no evidence
			look(path + "?follow=true")
		}
	}
	after, seq2 := state()
	if walked < 20 || !reflect.DeepEqual(before, after) || seq != seq2 {
		t.Errorf("after %d reads: facts %d to %d\n%+v\n%+v", walked, seq, seq2, before, after)
	}
	d.Stop()
	db, err := store.Open(filepath.Join(d.Config.StateDir, "wsd.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *store.Tx) error {
		r, ok, err := tx.Activity(w.ID)
		if !ok || r.Facts.Engaged.After(before.Facts.Engaged) || len(r.Ledger) != len(before.Ledger) || r.Facts.Sessions != 0 || r.Level != activity.Disconnected {
			t.Errorf("the record: %+v", r)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
