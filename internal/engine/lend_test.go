package engine

import (
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// asking is git inside: it says a word on a connection to its agent and waits for another.
func asking(ctx context.Context, l *lenders, id string) (answer chan string, served chan bool) {
	mine, theirs := net.Pipe()
	answer, served = make(chan string, 1), make(chan bool, 1)
	go func() {
		ok := l.serve(ctx, id, theirs)
		_ = theirs.Close()
		served <- ok
	}()
	go func() {
		_, _ = io.WriteString(mine, "ask")
		b := make([]byte, 16)
		n, _ := mine.Read(b)
		answer <- string(b[:n])
		_ = mine.Close()
	}()
	return answer, served
}

func TestAnSSHAgentThatIsOfferedLaterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lenders
		answer, served := asking(t.Context(), &l, "a")
		time.Sleep(lendTime - time.Second)
		if other, ok := l.offer("b"); !ok {
			t.Fatal("cannot be offered")
		} else {
			defer other.Close()
		}
		conn, _ := l.offer("a")
		b := make([]byte, 3)
		if _, err := io.ReadFull(conn, b); err != nil || string(b) != "ask" {
			t.Fatalf("asked %q, %v", b, err)
		}
		_, _ = io.WriteString(conn, "told")
		if got := <-answer; got != "told" || !<-served {
			t.Errorf("answered %q", got)
		}
		if _, err := conn.Read(b); err != io.EOF { //nolint:errorlint // net.Pipe's own
			t.Errorf("the connection lives on: %v", err)
		}
	})
}

func TestNobodyWaitsForAnSSHAgentForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lenders
		began := time.Now()
		conn, _ := l.offer("a")
		_ = conn.Close() // withdrawn
		_, served := asking(t.Context(), &l, "a")
		if <-served || time.Since(began) != lendTime {
			t.Errorf("after %v", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, served = asking(ctx, &l, "a")
		cancel()
		if !<-served {
			t.Error("a fetch that was ended counts as one without an agent")
		}
	})
}

func TestOffersOfSSHAgentsAreBoundedAndDropped(t *testing.T) {
	var l lenders
	var conns []net.Conn
	for range maxOffers {
		c, ok := l.offer("a")
		if !ok {
			t.Fatal("refused")
		}
		conns = append(conns, c)
	}
	if _, ok := l.offer("a"); ok {
		t.Error("one more waits")
	}
	l.drop("a")
	for _, c := range conns {
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // net.Pipe's own
			t.Errorf("an offer lives on: %v", err)
		}
	}
	if _, ok := l.offer("a"); !ok {
		t.Error("refused after all were dropped")
	}
}

func TestAnSSHAgentIsTakenFromWhoMadeTheWorkspaceAlone(t *testing.T) {
	inAgentBubble(t, func(r *rig, _ *fakeAgent) {
		clone := func(name string, lent bool) {
			t.Helper()
			_, _, err := r.Create(r.t.Context(), alice, api.Create{
				Name: name, Image: "debian", Stopped: true,
				CreateSource: api.CreateSource{Source: &workspace.Source{Kind: workspace.SourceGit, URL: "git@example.org:a.git", SSHAgent: lent}},
			}, "")
			if err != nil {
				t.Fatal(err)
			}
		}
		clone("lent", true)
		clone("plain", false)
		for _, tt := range []struct {
			name, code string
			who        workspace.Actor
		}{
			{"lent", "ssh_agent_foreign", workspace.UserActor(0, true)},
			{"plain", "ssh_agent_unwanted", alice},
			{"none", "workspace_not_found", alice},
		} {
			if c, err := r.LendAgent(r.t.Context(), tt.who, tt.name); !fault.HasCode(err, tt.code) {
				t.Errorf("%s: %v %v, want %s", tt.name, c, err, tt.code)
			}
		}
		c, err := r.LendAgent(r.t.Context(), alice, "lent")
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	})
}
