package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	rt "github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestEngineAwayReadsAnswerAndWritesWait(t *testing.T) {
	for name, outage := range map[string]func(*memory.Engine){"down": (*memory.Engine).Down, "hung": (*memory.Engine).Hang} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.create("demo")
				outage(r.box)
				time.Sleep(15 * time.Second)
				if !r.Stale() {
					t.Fatal("the outage is not noticed")
				}
				r.want("demo", workspace.Running)
				_, err := r.Command(r.t.Context(), alice, "demo", api.Stop)
				r.wantCode(err, "engine_unreachable")
				if f := fault.From(err); f.RetryAfter <= 0 {
					t.Error("the refusal does not say when to try again")
				}
				name := "other"
				if _, err := r.Update(r.t.Context(), alice, "demo", 0, api.Update{Name: &name}); err != nil {
					t.Errorf("a rename needs no engine: %v", err)
				}
				r.box.Up()
				time.Sleep(30 * time.Second)
				synctest.Wait()
				if r.Stale() {
					t.Fatal("the return is not noticed within 30 s")
				}
				r.want("other", workspace.Running)
			})
		})
	}
}

func TestAnEndFromOutsideSaysNoMoreThanIsKnown(t *testing.T) {
	for what, row := range map[string]struct {
		seen seen
		want string
	}{
		"a signal through the engine":       {seen{byHand: true, status: rt.Status{ExitCode: 137}}, "with the engine's own tools"},
		"a stop through the engine":         {seen{byHand: true, status: rt.Status{ExitCode: 0}}, "with the engine's own tools"},
		"a signal of which nobody has told": {seen{status: rt.Status{ExitCode: 137}}, "a signal from outside"},
	} {
		if got := classify(row.seen); got.Reason != workspace.StoppedOutside || !strings.Contains(got.Detail, row.want) {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

func TestADiskThatTakesNothingIsNoErrorOfWsd(t *testing.T) {
	for what, row := range map[string]struct {
		err  syscall.Errno
		code string
	}{
		"read-only": {syscall.EROFS, "storage_readonly"}, "full": {syscall.ENOSPC, "storage_full"}, "something else": {syscall.EIO, "internal"},
	} {
		t.Run(what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				err := fmt.Errorf("cannot make a folder for the agent: %w", &fs.PathError{Op: "mkdirat", Path: "demo-1", Err: row.err})
				r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: err}}})
				w := r.begin("demo")
				time.Sleep(time.Hour)
				r.settle()
				r.want("demo", workspace.Failed)
				if j, err := r.Job(r.t.Context(), root, w.Job); err != nil || j.Code != row.code {
					t.Errorf("the job failed with %+v, %v", j, err)
				}
			})
		})
	}
}

func TestJobThatMeetsAnOutageGoesOnAfterIt(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpStart: 2 * time.Second}})
		w := r.begin("demo")
		time.Sleep(time.Second)
		r.box.Down()
		time.Sleep(5 * time.Minute)
		if j, err := r.Job(r.t.Context(), root, w.Job); err != nil || !j.State.Open() {
			t.Fatalf("the job gave up in an outage: %+v, %v", j, err)
		}
		r.box.Up()
		time.Sleep(30 * time.Second)
		r.settle()
		r.want("demo", workspace.Running)
	})
}

func TestEngineRestartRestoresWhatRan(t *testing.T) {
	inBubble(t, func(r *rig) {
		runs := r.create("runs")
		r.create("rests")
		r.command("rests", api.Stop)
		r.settle()
		r.box.Down()
		time.Sleep(time.Minute)
		r.box.Up()
		r.box.Restart()
		time.Sleep(30 * time.Second)
		r.settle()
		w := r.want("runs", workspace.Running)
		if w.Run == runs.Run {
			t.Error("a restored workspace has its old run id")
		}
		if c, ok := w.Condition(workspace.Restored); !ok || !c.Status {
			t.Error("nothing says that it was restored")
		}
		if w.Stop == nil || w.Stop.Reason != workspace.StoppedInterrupt {
			t.Errorf("its stop is explained as %+v", w.Stop)
		}
		r.want("rests", workspace.Stopped)
	})
}

func TestRestartOfTheDaemonLeavesWorkspacesAlone(t *testing.T) {
	inBubble(t, func(r *rig) {
		before := r.create("demo")
		starts := r.box.Calls(memory.OpStart)
		r.restart()
		time.Sleep(time.Minute)
		if w := r.want("demo", workspace.Running); w.Run != before.Run || w.Revision != before.Revision {
			t.Error("the restart changed it")
		}
		if r.box.Calls(memory.OpStart) != starts {
			t.Error("the restart started it again")
		}
	})
}

func TestWhatEndedWhileTheDaemonWasDown(t *testing.T) {
	for _, c := range []struct {
		what   string
		code   int
		oom    bool
		want   workspace.State
		reason workspace.StopReason
	}{
		{"killed with the machine", 137, false, workspace.Running, workspace.StoppedInterrupt},
		{"ended politely with the machine", 0, false, workspace.Running, workspace.StoppedInterrupt},
		{"crashed", 3, false, workspace.Failed, workspace.StoppedByCrash},
		{"out of memory", 137, true, workspace.Failed, workspace.StoppedByOOM},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				w := r.create("demo")
				r.shutdown()
				if err := r.box.Kill(ref(w), c.code, c.oom); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				r.start()
				time.Sleep(30 * time.Second)
				r.settle()
				if w = r.want("demo", c.want); w.Stop == nil || w.Stop.Reason != c.reason {
					t.Errorf("its stop is explained as %+v", w.Stop)
				}
			})
		})
	}
}

func TestWhatEndsWhileWatched(t *testing.T) {
	for _, c := range []struct {
		what   string
		code   int
		oom    bool
		want   workspace.State
		reason workspace.StopReason
	}{
		{"ended by itself", 0, false, workspace.Stopped, workspace.StoppedItself},
		{"crashed", 1, false, workspace.Failed, workspace.StoppedByCrash},
		{"out of memory", 137, true, workspace.Failed, workspace.StoppedByOOM},
		{"killed with the engine's tools", 137, false, workspace.Stopped, workspace.StoppedOutside},
	} {
		t.Run(c.what, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				w := r.create("demo")
				time.Sleep(time.Minute)
				if err := r.box.Kill(ref(w), c.code, c.oom); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				r.settle()
				w = r.want("demo", c.want)
				if w.Stop == nil || w.Stop.Reason != c.reason || w.Stop.Run == "" {
					t.Errorf("its stop is explained as %+v", w.Stop)
				}
				if w.Death == nil || w.Death.ExitCode != c.code || w.Death.OOMKilled != c.oom {
					t.Errorf("its death certificate is %+v", w.Death)
				}
			})
		})
	}
}

func TestByHandChangesAreSeen(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		must(t, r.box.PauseByHand(ref(w)))
		r.settle()
		r.want("demo", workspace.Paused)
		must(t, r.box.ResumeByHand(ref(w)))
		r.settle()
		r.want("demo", workspace.Running)
		r.command("demo", api.Stop)
		r.settle()
		must(t, r.box.StartByHand(ref(w)))
		r.settle()
		if again := r.want("demo", workspace.Running); again.Run == w.Run {
			t.Error("a start by hand keeps the old run id")
		}
	})
}

func TestContainerRemovedByHandIsMadeAgainOnStart(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		must(t, r.box.RemoveByHand(ref(w)))
		r.settle()
		w = r.want("demo", workspace.Stopped)
		if c, ok := w.Condition(workspace.ContainerLost); !ok || !c.Status || w.Stop.Reason != workspace.StoppedLost {
			t.Errorf("the loss is not told: %+v", w)
		}
		r.command("demo", api.Start)
		r.settle()
		w = r.want("demo", workspace.Running)
		if _, lost := w.Condition(workspace.ContainerLost); lost {
			t.Error("it is still called lost")
		}
	})
}

func TestLostEventsAreMadeGoodByTheList(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.box.DropEvents(true)
		must(t, r.box.Kill(ref(w), 1, false))
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.want("demo", workspace.Failed)
	})
}

func TestLostRepliesMakeNothingTwice(t *testing.T) {
	for _, op := range []memory.Op{memory.OpEnsure, memory.OpStart, memory.OpStop, memory.OpRemove} {
		t.Run(string(op), func(t *testing.T) {
			inBubble(t, func(r *rig) {
				r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: op, Call: 1, LoseReply: true}}})
				r.begin("demo")
				r.settle()
				r.want("demo", workspace.Running)
				list, err := r.cfg.Driver.List(r.t.Context())
				if err != nil || len(list) != 1 {
					t.Fatalf("there are %d containers, %v", len(list), err)
				}
				r.command("demo", api.Stop)
				r.settle()
				r.want("demo", workspace.Stopped)
				if _, err := r.Delete(r.t.Context(), alice, "demo", 0, false); err != nil {
					t.Fatal(err)
				}
				r.settle()
				if n := r.objects(); n != 0 {
					t.Errorf("%d objects are left", n)
				}
			})
		})
	}
}

func TestAnAttemptThatTheEndOfWsdCutOffCostsNone(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Hang: true}}})
		r.begin("demo")
		for range 4 { // one more than may fail
			synctest.Wait()
			r.restart()
		}
		if n := r.box.Calls(memory.OpEnsure); n != 5 {
			t.Fatalf("%d attempts have begun", n)
		}
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Call: 1, Err: errors.New("it is busy")}}})
		r.restart()
		r.settle()
		r.want("demo", workspace.Running)
	})
}

func TestJobIsRetriedThenKeptAsFailed(t *testing.T) {
	inBubble(t, func(r *rig) {
		broken := errors.New("no space left on device")
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpEnsure, Err: broken}}})
		r.begin("demo")
		r.settle()
		w := r.want("demo", workspace.Failed)
		if c, ok := w.Condition(workspace.Attention); !ok || !c.Status {
			t.Error("nothing says what went wrong")
		}
		failed, err := r.Jobs(r.t.Context(), alice, []workspace.JobState{workspace.JobFailed}, "demo")
		if err != nil || len(failed) != 1 || failed[0].Attempt != 3 {
			t.Fatalf("failed jobs: %+v, %v", failed, err)
		}
		if n := r.box.Calls(memory.OpEnsure); n != 3 {
			t.Errorf("it was tried %d times", n)
		}
		r.box.SetFaults(memory.Faults{})
		if _, err := r.RetryJob(r.t.Context(), alice, failed[0].ID); err != nil {
			t.Fatal(err)
		}
		r.settle()
		w = r.want("demo", workspace.Running)
		if _, bad := w.Condition(workspace.Attention); bad {
			t.Error("it still asks for attention")
		}
		stats, err := r.JobStats(r.t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stats {
			if s.Kind == workspace.JobProvision && (s.Failed != 1 || s.Retried != 2 || s.Completed != 1) {
				t.Errorf("the counts are %+v", s)
			}
		}
	})
}

func TestRefusalsAreNotRetried(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{
			Op:  memory.OpEnsureImage,
			Err: fault.New(fault.NotFound, "image_not_found", "there is no such image"),
		}}})
		r.begin("demo")
		r.settle()
		w := r.want("demo", workspace.Failed)
		if c, _ := w.Condition(workspace.Attention); c.Reason != "image_not_found" || r.box.Calls(memory.OpEnsureImage) != 1 {
			t.Errorf("%+v after %d calls", c, r.box.Calls(memory.OpEnsureImage))
		}
	})
}

func TestPhaseThatHangsTimesOut(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Script: []memory.Fault{{Op: memory.OpStart, Hang: true}}})
		r.begin("demo")
		r.settle()
		w := r.want("demo", workspace.Failed)
		if c, _ := w.Condition(workspace.Attention); c.Reason != "timeout_start" {
			t.Errorf("the reason is %+v", c)
		}
	})
}

func TestCancelledJobIsNotPromisedAgain(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.box.SetFaults(memory.Faults{Latency: map[memory.Op]time.Duration{memory.OpEnsureImage: time.Hour}})
		w := r.begin("demo")
		time.Sleep(time.Second)
		j, err := r.CancelJob(r.t.Context(), alice, w.Job)
		if err != nil || j.State != workspace.JobCancelled {
			t.Fatalf("%+v, %v", j, err)
		}
		time.Sleep(5 * time.Minute)
		r.settle()
		r.want("demo", workspace.Failed)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
