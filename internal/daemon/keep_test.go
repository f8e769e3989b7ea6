package daemon_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/wstest"
)

// manager stands for systemd: it is told of sockets, and gives them to the next wsd.
type manager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
	kept map[string]*os.File
}

func newManager(t *testing.T) *manager {
	t.Helper()
	m := &manager{t: t, path: filepath.Join(t.TempDir(), "notify"), kept: map[string]*os.File{}}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m.conn = conn
	t.Cleanup(func() { _ = conn.Close() })
	return m
}

// until reads messages until one has word in it.
func (m *manager) until(word string) {
	m.t.Helper()
	_ = m.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	buf, oob := make([]byte, 4096), make([]byte, 4096)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			m.t.Fatalf("nothing says %q: %v", word, err)
		}
		text := string(buf[:n])
		_, name, _ := strings.Cut(text, "FDNAME=")
		switch {
		case strings.HasPrefix(text, "FDSTORE=1"):
			m.kept[name] = m.received(oob[:oobn])
		case strings.HasPrefix(text, "FDSTOREREMOVE=1"):
			if f := m.kept[name]; f != nil {
				_ = f.Close()
				delete(m.kept, name)
			}
		}
		if strings.Contains(text, word) {
			return
		}
	}
}

func (m *manager) received(oob []byte) *os.File {
	m.t.Helper()
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(messages) != 1 {
		m.t.Fatalf("no file came: %v", err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		m.t.Fatalf("%d files came: %v", len(fds), err)
	}
	return os.NewFile(uintptr(fds[0]), "kept")
}

// start runs wsd with what was kept.
func (m *manager) start(p *wstest.Process) *exec.Cmd {
	m.t.Helper()
	cmd := p.Command("wsd")
	cmd.Args = []string{"sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, cmd.Path}
	cmd.Path = "/bin/sh"
	var names []string
	for name, f := range m.kept {
		names = append(names, name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if m.t.Failed() {
			m.t.Log(out.String())
		}
	})
	m.until("READY=1")
	return cmd
}

// knock sends a request to address and does not read the answer yet.
func knock(t *testing.T, address string) func() int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("%s refuses while wsd restarts: %v", address, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	fmt.Fprint(c, "GET /favicon.ico HTTP/1.1\r\nHost: none.localhost\r\nConnection: close\r\n\r\n")
	return func() int {
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s does not answer after the restart: %v", address, err)
			return 0
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
}

// What systemd holds stays open while wsd restarts: who comes meanwhile waits.
func TestWhoConnectsWhileWsdRestartsIsNotRefused(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := l.Addr().String()
	_ = l.Close()
	p := wstest.NewProcess(t, "WSD_DRIVER=memory", "WSD_FRONT_ADDRESS="+names)
	m := newManager(t)
	first := m.start(p)
	w := create(t, p, "demo")
	m.until("wsd-port-" + strconv.Itoa(w.Port))
	for m.kept["wsd-names"] == nil {
		m.until("wsd-names")
	}
	_ = first.Process.Kill()
	_, _ = first.Process.Wait()
	byPort, byName := knock(t, fmt.Sprintf("127.0.0.1:%d", w.Port)), knock(t, names)
	m.start(p)
	if status := byName(); status != http.StatusNotFound {
		t.Errorf("by name: %d", status)
	}
	if status := byPort(); status == 0 {
		t.Errorf("by port: %d", status)
	}
	if _, errs, status := p.Wsctl("delete", "demo", "--force"); status != 0 {
		t.Fatal(errs)
	}
	m.until("FDSTOREREMOVE=1\nFDNAME=wsd-port-" + strconv.Itoa(w.Port))
}
