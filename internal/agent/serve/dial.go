package serve

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/agent/proc"
	"github.com/wsctl/wsctl/internal/agentapi"
)

// dialTime bounds the handshake with a server in the same network namespace.
const dialTime = 5 * time.Second

// dial carries the bytes of one TCP connection to a server inside, wherever on the
// loopback it listens. It is the way of every request that comes by the front door, so
// the copies are made by the kernel where it can.
func (s *Server) dial(w http.ResponseWriter, r *http.Request) {
	port, err := strconv.ParseUint(r.URL.Query().Get("port"), 10, 16)
	if err != nil || port == 0 {
		refuse(w, http.StatusBadRequest, "bad_port", "port has to be 1 to 65535")
		return
	}
	to, err := dialLocal(strconv.FormatUint(port, 10))
	if err != nil {
		refuse(w, http.StatusBadGateway, "refused", "nothing listens on port "+strconv.FormatUint(port, 10))
		return
	}
	defer to.Close()
	conn, ok := s.upgrade(w, r, agentapi.UpgradeRaw)
	if !ok {
		return
	}
	defer conn.Close()
	relay(conn, to)
}

func dialLocal(port string) (*net.TCPConn, error) {
	var d net.Dialer
	d.Timeout = dialTime
	conn, err := d.Dial("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		var err6 error
		if conn, err6 = d.Dial("tcp6", net.JoinHostPort("::1", port)); err6 != nil {
			return nil, err
		}
	}
	return conn.(*net.TCPConn), nil
}

// relay copies both ways; each end of input ends that half alone. When either side fails
// both are closed.
func relay(outer upgraded, inner *net.TCPConn) {
	unix, _ := outer.Conn.(*net.UnixConn)
	back := make(chan struct{})
	go func() {
		defer close(back)
		if _, err := io.Copy(unix, inner); err != nil {
			_ = unix.Close()
			_ = inner.Close()
			return
		}
		_ = unix.CloseWrite()
	}()
	_, err := io.CopyN(inner, outer.in, int64(outer.in.Buffered()))
	if err == nil {
		_, err = io.Copy(inner, unix)
	}
	if err != nil {
		_ = unix.Close()
		_ = inner.Close()
	}
	_ = inner.CloseWrite()
	<-back
}

// ssh hands the connection to a process of its own, so that what ssh needs is in memory
// only while somebody uses it.
func (s *Server) ssh(w http.ResponseWriter, r *http.Request) {
	conn, ok := s.upgrade(w, r, agentapi.UpgradeRaw)
	if !ok {
		return
	}
	defer conn.Close()
	mine, theirs, err := socketPair()
	if err != nil {
		return
	}
	defer mine.Close()
	self, err := os.Executable()
	null, nerr := os.Open(os.DevNull)
	if err != nil || nerr != nil {
		_ = theirs.Close()
		return
	}
	p, err := s.o.Table.Start(proc.Spec{
		Path: self, Args: []string{"wsd", "agent-ssh"}, Env: os.Environ(), Files: []*os.File{null, null, os.Stderr, theirs},
	})
	_ = null.Close()
	_ = theirs.Close()
	if err != nil {
		return
	}
	s.note(p, true)
	both(conn, mine)
	s.abandon(p)
}

// both copies both ways until either side ends.
func both(outer upgraded, inner *net.UnixConn) {
	unix, _ := outer.Conn.(*net.UnixConn)
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(unix, inner)
		_ = unix.Close()
	}()
	if _, err := io.CopyN(inner, outer.in, int64(outer.in.Buffered())); err == nil {
		_, _ = io.Copy(inner, unix)
	}
	_ = inner.CloseWrite()
	<-back
}

// secrets replaces the files of agentapi.SecretsDir.
func (s *Server) secrets(w http.ResponseWriter, r *http.Request) {
	var values map[string][]byte
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxStart)).Decode(&values); err != nil {
		refuse(w, http.StatusBadRequest, "bad_request", "the body has to be an object of names and values in base64")
		return
	}
	if err := replaceFiles(agentapi.SecretsDir, values); err != nil {
		refuse(w, http.StatusInternalServerError, "cannot_write", err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// replaceFiles makes values the only files of dir. Each is replaced in one step.
func replaceFiles(dir string, values map[string][]byte) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, value := range values {
		tmp := ".new-" + name
		_ = root.Remove(tmp)
		f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
		if err != nil {
			return err
		}
		_, err = f.Write(value)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = root.Rename(tmp, name)
		}
		if err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(filepath.Clean(dir))
	if err != nil {
		return err
	}
	for _, e := range slices.Clone(entries) {
		if _, keep := values[e.Name()]; !keep {
			if err := root.RemoveAll(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
