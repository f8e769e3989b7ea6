package memory_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	goruntime "runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

// replay returns the changes that the engine remembers since a time.
func replay(t *testing.T, d *memory.Driver, since time.Time) (got []runtime.Change) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- d.Watch(ctx, since, nil, func(c runtime.Change) { got = append(got, c) })
	}()
	synctest.Wait()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatalf("watch ended with %v", err)
	}
	return got
}

func follow(ctx context.Context, d *memory.Driver, r runtime.Ref) error {
	return d.Logs(ctx, r, workspace.LogOptions{Tail: -1, Follow: true}, func(workspace.LogLine) error { return nil })
}

func actions(changes []runtime.Change) (out []string) {
	for _, c := range changes {
		out = append(out, c.Action)
	}
	return out
}

func TestWhatIsDoneByHandIsSeenAndTold(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		r := start(t, d)
		for _, step := range []struct {
			act  func() error
			want runtime.Observed
		}{
			{func() error { return e.PauseByHand(r) }, runtime.ObservedPaused},
			{func() error { return e.ResumeByHand(r) }, runtime.ObservedRunning},
			{func() error { return e.Kill(r, 137, true) }, runtime.ObservedExited},
			{func() error { return e.StartByHand(r) }, runtime.ObservedRunning},
		} {
			if err := step.act(); err != nil {
				t.Fatal(err)
			}
			st, err := d.Inspect(t.Context(), r)
			if err != nil || st.State != step.want || st.OOMKilled != (step.want == runtime.ObservedExited) {
				t.Errorf("got %+v (%v), want %s", st, err, step.want)
			}
		}
		if err := e.RemoveByHand(r); err != nil {
			t.Fatal(err)
		}
		want := []string{"start", "pause", "unpause", "oom", "die", "start", "die", "destroy"}
		if got := actions(replay(t, d, time.Time{})); !slices.Equal(got, want) {
			t.Errorf("told %v, want %v", got, want)
		}
		if err := e.Kill(r, 1, false); !errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("a kill of what is gone gave %v", err)
		}
	})
}

func TestDroppedEventsAreNeverTold(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		r := start(t, d)
		e.DropEvents(true)
		if err := e.Kill(r, 1, false); err != nil {
			t.Fatal(err)
		}
		e.DropEvents(false)
		if err := e.StartByHand(r); err != nil {
			t.Fatal(err)
		}
		if got := actions(replay(t, d, time.Time{})); !slices.Equal(got, []string{"start", "start"}) {
			t.Errorf("told %v, want the two starts", got)
		}
	})
}

func TestTheLast256ChangesAreRemembered(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		r := start(t, d)
		for range 200 {
			time.Sleep(time.Second) // virtual
			if err := errors.Join(e.PauseByHand(r), e.ResumeByHand(r)); err != nil {
				t.Fatal(err)
			}
		}
		if got := replay(t, d, time.Time{}); len(got) != 256 || got[255].Action != "unpause" {
			t.Errorf("%d changes are remembered, want the last 256", len(got))
		}
		if got := replay(t, d, time.Now().Add(-9*time.Second)); len(got) != 20 {
			t.Errorf("%d changes in the last 10 turns, want 20", len(got))
		}
	})
}

func TestAnEngineOutlivesItsDrivers(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, first *memory.Driver) {
		r := start(t, first)
		conn, err := first.Dial(t.Context(), r, 8080)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(first.Close(), first.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a connection of a closed driver still works")
		}
		_, err = first.List(t.Context())
		isUnreachable(t, err, "list of a closed driver")
		second := e.Driver("one")
		if st, err := second.Inspect(t.Context(), r); err != nil || st.State != runtime.ObservedRunning {
			t.Errorf("the next driver sees %+v (%v)", st, err)
		}
	})
}

func TestConnectionsEndWithTheirContainer(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		r := start(t, d)
		conn, err := d.Dial(t.Context(), r, 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := e.Kill(r, 1, false); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want the end of the connection", err)
		}
	})
}

func TestAProcessThatDoesNotServeRefusesConnections(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Engine, d *memory.Driver) {
		r := start(t, d, "sleep", "60")
		if _, err := d.Dial(t.Context(), r, 8080); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v, want a refused connection", err)
		}
		time.Sleep(time.Minute) // virtual
		synctest.Wait()
		if st, err := d.Inspect(t.Context(), r); err != nil || st.State != runtime.ObservedExited || st.ExitCode != 0 {
			t.Errorf("after its minute: %+v (%v), want exited with 0", st, err)
		}
	})
}

func TestTheMainProcessServesTheFolderThatItNames(t *testing.T) {
	bubble(t, func(t *testing.T, _ *memory.Engine, d *memory.Driver) {
		c := small("it")
		c.Spec.Files = []workspace.File{{Path: "public/index.html", Content: "hello"}, {Path: "index.html", Content: "wrong"}}
		c.Spec.Command = []string{"httpd", "--dir", "/workspace/public"}
		if _, err := d.Ensure(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context(), c.Ref); err != nil {
			t.Fatal(err)
		}
		conn, err := d.Dial(t.Context(), c.Ref, 8080)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(answer), "\r\n\r\nhello") {
			t.Errorf("got %q (%v), want the page", answer, err)
		}
	})
}

func TestForeignObjectsAreListedAndRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		e.AddForeign("one", runtime.Object{Kind: "network", ID: "n1", Name: "left-over"})
		e.AddForeign("one", runtime.Object{Kind: "volume", ID: "v1", Name: "old", Workspace: "wold"})
		e.AddForeign("two", runtime.Object{Kind: "volume", ID: "v2", Name: "theirs"})
		found, err := d.Objects(t.Context())
		if err != nil || len(found) != 2 || found[0].ID != "n1" || found[1].ID != "v1" {
			t.Fatalf("got %+v (%v), want n1 and v1", found, err)
		}
		if err := errors.Join(d.RemoveObject(t.Context(), found[0]), d.Remove(t.Context(), "wold")); err != nil {
			t.Fatal(err)
		}
		if found, err := d.Objects(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("left over: %+v (%v)", found, err)
		}
	})
}

func TestOutputIsBoundedInLinesAndLength(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		r := start(t, d)
		for i := range 3000 {
			if err := e.Print(r, "stderr", fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Print(r, "stdout", string(make([]byte, 40<<10))); err != nil {
			t.Fatal(err)
		}
		var got []workspace.LogLine
		err := d.Logs(t.Context(), r, workspace.LogOptions{Tail: -1}, func(l workspace.LogLine) error {
			got = append(got, l)
			return nil
		})
		if err != nil || len(got) != 1000 || got[996].Text != "2999" {
			t.Fatalf("%d lines (%v), want 1000 of which the last are 2999 and three pieces", len(got), err)
		}
		for i, want := range []int{16 << 10, 16 << 10, 8 << 10} {
			if n := len(got[997+i].Text); n != want {
				t.Errorf("piece %d has %d bytes, want %d", i, n, want)
			}
		}
	})
}

func TestTenThousandWorkspacesAreCheap(t *testing.T) {
	const count = 10_000
	engine := memory.NewEngine()
	defer engine.Close()
	d := engine.Driver("one")
	before := heap()
	for i := range count {
		c := small("many")
		c.Workspace = fmt.Sprintf("w%012d", i)
		if _, err := d.Ensure(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if err := d.Start(t.Context(), c.Ref); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / count
	t.Logf("%d bytes a workspace", each)
	if each > 2<<10 {
		t.Errorf("a running workspace takes %d bytes, want at most 2 KiB", each)
	}
	list, err := d.List(t.Context())
	if err != nil || len(list) != count {
		t.Errorf("the list has %d entries (%v), want %d", len(list), err, count)
	}
	goruntime.KeepAlive(engine)
}

// heap returns the bytes that are in use.
func heap() int64 {
	goruntime.GC()
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
