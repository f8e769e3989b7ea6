package serve

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// lent is a socket and the frames that its peer gets.
func lent(t *testing.T) (*auths, *authSocket, *agentapi.Reader) {
	t.Helper()
	mine, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	all := &auths{}
	s, err := all.open(newLink(upgraded{mine, bufio.NewReader(mine), nil}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return all, s, agentapi.NewReader(theirs)
}

func dialed(t *testing.T, s *authSocket) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", s.path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// told reads the id of the next connection.
func told(t *testing.T, frames *agentapi.Reader) uint64 {
	t.Helper()
	kind, p, err := frames.Next()
	var c agentapi.Control
	if err != nil || kind != agentapi.Ctl || json.Unmarshal(p, &c) != nil || c.Type != "auth" {
		t.Fatalf("told %d %q, %v", kind, p, err)
	}
	return c.ID
}

func TestAConnectionToAnSSHAgentIsToldOfAndTakenOnce(t *testing.T) {
	all, s, frames := lent(t)
	if info, err := os.Stat(filepath.Dir(s.path())); err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("others may connect: %v %v", info, err)
	}
	client := dialed(t, s)
	id := told(t, frames)
	inner, ok := all.take(id)
	if !ok {
		t.Fatal("the connection is not there")
	}
	go func() { _, _ = client.Write([]byte("ask")) }()
	got := make([]byte, 3)
	if _, err := io.ReadFull(inner, got); err != nil || string(got) != "ask" {
		t.Errorf("it carries %q, %v", got, err)
	}
	for _, again := range []uint64{id, id + 1, 0} {
		if _, ok := all.take(again); ok {
			t.Errorf("%d is there", again)
		}
	}
}

func TestNothingOfAnSSHAgentOutlivesItsCommand(t *testing.T) {
	all, s, frames := lent(t)
	fetched, waiting := dialed(t, s), dialed(t, s)
	first, second := told(t, frames), told(t, frames)
	if _, ok := all.take(first); !ok {
		t.Fatal("the connection is not there")
	}
	s.close()
	for name, c := range map[string]net.Conn{"fetched": fetched, "waiting": waiting} {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the connection that was %s is open: %v", name, err)
		}
	}
	if _, ok := all.take(second); ok {
		t.Error("a connection can be fetched")
	}
	if _, err := os.Lstat(filepath.Dir(s.path())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}

func TestACommandCannotOpenConnectionsToItsSSHAgentForEver(t *testing.T) {
	_, s, frames := lent(t)
	for range maxAuths {
		dialed(t, s)
		told(t, frames)
	}
	if _, err := dialed(t, s).Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one more is served: %v", err)
	}
}
