package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
)

// bubble is an engine and one driver in virtual time.
func bubble(t *testing.T, check func(t *testing.T, e *memory.Engine, d *memory.Driver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := memory.NewEngine()
		defer e.Close()
		check(t, e, e.Driver("one"))
	})
}

func start(t *testing.T, d *memory.Driver, command ...string) runtime.Ref {
	t.Helper()
	c := small("it")
	c.Spec.Command = command
	if _, err := d.Ensure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatal(err)
	}
	return c.Ref
}

func isUnreachable(t *testing.T, err error, doing string) {
	t.Helper()
	if !errors.Is(err, runtime.ErrUnreachable) || errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("%s: got %v, want ErrUnreachable", doing, err)
	}
}

func TestLatencyIsWaitedAndEndsWithTheContext(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		e.SetFaults(memory.Faults{
			Latency: map[memory.Op]time.Duration{memory.OpInfo: 2 * time.Second},
			Script:  []memory.Fault{{Op: memory.OpInfo, Call: 2, Latency: time.Second}},
		})
		for call, want := range []time.Duration{2 * time.Second, 3 * time.Second} {
			begin := time.Now()
			if _, err := d.Info(t.Context()); err != nil || time.Since(begin) != want {
				t.Errorf("call %d took %s (%v), want %s", call+1, time.Since(begin), err, want)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := d.Info(ctx)
		isUnreachable(t, err, "info past its deadline")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("it took %s and gave %v", time.Since(begin), err)
		}
	})
}

func TestAScriptFailsTheCallsThatItNames(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		a, b := start(t, d), start(t, d)
		boom := errors.New("boom")
		e.SetFaults(memory.Faults{Script: []memory.Fault{
			{Op: memory.OpStop, Workspace: b.Workspace, Err: boom},
			{Op: memory.OpPause, Call: 2, Err: boom},
		}})
		for _, row := range []struct {
			name string
			err  error
			want error
		}{
			{"stop of a", d.Stop(t.Context(), a, 0), nil},
			{"stop of b", d.Stop(t.Context(), b, 0), boom},
			{"stop of b again", d.Stop(t.Context(), b, 0), boom},
			{"first pause", d.Pause(t.Context(), b), nil},
			{"second pause", d.Pause(t.Context(), b), boom},
			{"third pause", d.Pause(t.Context(), b), nil},
		} {
			if !errors.Is(row.err, row.want) {
				t.Errorf("%s: got %v, want %v", row.name, row.err, row.want)
			}
		}
		if n := e.Calls(memory.OpStop); n != 3 {
			t.Errorf("counted %d stops, want 3", n)
		}
	})
}

func TestALostReplyHasItsEffect(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		e.SetFaults(memory.Faults{Script: []memory.Fault{
			{Op: memory.OpEnsure, Call: 1, LoseReply: true},
			{Op: memory.OpStart, Call: 1, LoseReply: true, Hang: true},
		}})
		c := small("it")
		_, err := d.Ensure(t.Context(), c)
		isUnreachable(t, err, "ensure whose reply is lost")
		found, err := d.Inspect(t.Context(), c.Ref)
		if err != nil {
			t.Fatalf("the container was not made: %v", err)
		}
		if again, err := d.Ensure(t.Context(), c); err != nil || again.ID != found.ID {
			t.Errorf("got %+v (%v), want container %s", again, err, found.ID)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin := time.Now()
		isUnreachable(t, d.Start(ctx, c.Ref), "start whose reply hangs")
		if time.Since(begin) != time.Minute {
			t.Errorf("it hung for %s, want a minute", time.Since(begin))
		}
		if st, err := d.Inspect(t.Context(), c.Ref); err != nil || st.State != runtime.ObservedRunning {
			t.Errorf("got %+v (%v), want it running", st, err)
		}
	})
}

func TestAHungEngineAnswersWhenItIsBack(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		e.Hang()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := d.List(ctx)
		isUnreachable(t, err, "list of a hung engine")

		answered := make(chan error, 1)
		go func() { _, err := d.Info(t.Context()); answered <- err }()
		synctest.Wait()
		select {
		case err := <-answered:
			t.Fatalf("a hung engine answered (%v)", err)
		default:
		}
		e.Up()
		if err := <-answered; err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// streams opens one stream of each kind and returns where their ends arrive.
func streams(t *testing.T, d *memory.Driver, r runtime.Ref) map[string]chan error {
	t.Helper()
	ends := map[string]chan error{"watch": make(chan error, 1), "logs": make(chan error, 1), "exec": make(chan error, 1)}
	go func() {
		ends["watch"] <- d.Watch(t.Context(), time.Time{}, nil, func(runtime.Change) {})
	}()
	go func() { ends["logs"] <- follow(t.Context(), d, r) }()
	p, err := d.Exec(t.Context(), r, runtime.ExecSpec{Command: []string{"sleep"}})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer p.Close()
		ends["exec"] <- p.Copy(nil, nil)
	}()
	synctest.Wait()
	for name, end := range ends {
		select {
		case err := <-end:
			t.Fatalf("the stream of %s does not stand: %v", name, err)
		default:
		}
	}
	return ends
}

func TestStreamsBreakWithTheEngineOrTheDriver(t *testing.T) {
	for name, act := range map[string]func(e *memory.Engine, d *memory.Driver){
		"down":         func(e *memory.Engine, _ *memory.Driver) { e.Down() },
		"restart":      func(e *memory.Engine, _ *memory.Driver) { e.Restart() },
		"driver close": func(_ *memory.Engine, d *memory.Driver) { _ = d.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
				ends := streams(t, d, start(t, d))
				act(e, d)
				synctest.Wait()
				isUnreachable(t, <-ends["watch"], "watch")
				logs, exec := <-ends["logs"], <-ends["exec"]
				if name == "restart" { // the run ended as well: either end is true
					return
				}
				isUnreachable(t, logs, "logs")
				isUnreachable(t, exec, "exec")
			})
		})
	}
}

func TestARestartKillsWhatRanAndForgetsChanges(t *testing.T) {
	bubble(t, func(t *testing.T, e *memory.Engine, d *memory.Driver) {
		running, frozen := start(t, d), start(t, d)
		if err := d.Pause(t.Context(), frozen); err != nil {
			t.Fatal(err)
		}
		e.Restart()
		for _, r := range []runtime.Ref{running, frozen} {
			if st, err := d.Inspect(t.Context(), r); err != nil || st.State != runtime.ObservedExited || st.ExitCode != 137 {
				t.Errorf("got %+v (%v), want exited with 137", st, err)
			}
		}
		if got := replay(t, d, time.Time{}); len(got) > 0 {
			t.Errorf("changes from before the restart are replayed: %+v", got)
		}
		if err := d.Start(t.Context(), running); err != nil {
			t.Errorf("cannot start after a restart: %v", err)
		}
	})
}
