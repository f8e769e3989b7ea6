package server

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

func TestExecClientThatVanishesClosesTheProcess(t *testing.T) {
	for _, name := range []string{"sleep", "yes", "cat"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := execRig(t)
				gone := make(chan struct{})
				main := r.fake.commands[name]
				r.fake.commands[name] = func(p *fakeProcess) int { defer close(gone); return main(p) }
				x := r.exec(api.ExecStart{Command: []string{name}, Stdin: true})
				synctest.Wait()
				_ = x.conn.CloseNow()
				<-gone
				if took := r.waitStopped(); took > time.Second {
					t.Errorf("the session lasted %v longer", took)
				}
			})
		})
	}
}

// TestExecWaitsForAPager: a reader that stands still for minutes loses nothing, and
// holds the process back.
func TestExecWaitsForAPager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		written := make(chan int, 1)
		r.fake.commands["yes"] = func(p *fakeProcess) int {
			n := 0
			for range 64 {
				k, err := p.out.Write(bytes.Repeat([]byte("y"), 32<<10))
				n += k
				if err != nil {
					break
				}
			}
			written <- n
			return 0
		}
		x := r.exec(api.ExecStart{Command: []string{"yes"}})
		time.Sleep(10 * time.Minute)
		select {
		case n := <-written:
			t.Fatalf("%d bytes were taken for a reader that takes none", n)
		default:
		}
		x.conn.SetReadLimit(1 << 20)
		if m := x.end(); m.Type != "exit" {
			t.Errorf("got %+v", m)
		}
		if n := x.out[api.StreamStdout].Len(); n != 2<<20 || <-written != n {
			t.Errorf("%d bytes came", n)
		}
	})
}

// TestExecWaitsForAProcessThatReadsLate: while input waits for the process nobody can
// hear the peer's pongs, and that is no reason to end.
func TestExecWaitsForAProcessThatReadsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		r.fake.commands["late"] = func(p *fakeProcess) int {
			select {
			case <-p.closed:
				return 1
			case <-time.After(2 * time.Hour):
			}
			b, _ := io.ReadAll(p.in)
			return len(b) % 256
		}
		x := r.exec(api.ExecStart{Command: []string{"late"}, Stdin: true})
		go func() {
			for range 5 {
				if x.input(make([]byte, 1001)) != nil {
					return
				}
			}
			x.text(api.ExecControl{Type: "eof"})
		}()
		if m := x.end(); m.Type != "exit" || m.Code != 5005%256 {
			t.Errorf("got %+v", m)
		}
	})
}

func TestExecClientThatVanishesWhileItsInputWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		gone := make(chan struct{})
		r.fake.commands["sleep"] = func(p *fakeProcess) int { defer close(gone); <-p.closed; return 1 }
		x := r.exec(api.ExecStart{Command: []string{"sleep"}, Stdin: true})
		if err := x.input(make([]byte, 1001)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = x.conn.CloseNow()
		begun := time.Now()
		<-gone
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("it was noticed after %v", took)
		}
	})
}

func TestExecSurvivesLongSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		x := r.exec(api.ExecStart{Command: []string{"cat"}, Stdin: true})
		go func() {
			time.Sleep(3 * time.Hour)
			_ = x.input([]byte("late"))
			x.text(api.ExecControl{Type: "eof"})
		}()
		if m := x.end(); m.Type != "exit" || x.out[1].String() != "late" {
			t.Errorf("got %+v %q", m, x.out[1].String())
		}
	})
}

func TestExecInputAfterTheProcessStoppedReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := execRig(t).exec(api.ExecStart{Command: []string{"head"}, Stdin: true})
		for range 4 {
			if err := x.input([]byte("more and more")); err != nil {
				t.Fatal(err)
			}
		}
		if m := x.end(); m.Type != "exit" || m.Code != 0 {
			t.Errorf("got %+v", m)
		}
	})
}

func TestExecWithoutAStartIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := execRig(t)
		conn, _, err := websocket.Dial(t.Context(), "http://wsd/v1/workspaces/one/exec",
			&websocket.DialOptions{HTTPClient: r.http, Subprotocols: []string{api.ExecProtocol}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		begun := time.Now()
		_, _, err = conn.Read(t.Context())
		if err == nil || time.Since(begun) > 11*time.Second {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
	})
}
