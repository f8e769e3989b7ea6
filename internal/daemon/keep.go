package daemon

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"
)

// keeper leaves listening sockets with systemd (sd_pid_notify_with_fds(3), FDSTORE), which
// gives them to the next wsd: while wsd restarts, who connects waits and is not refused.
// It is safe for concurrent use; a nil one keeps nothing.
type keeper struct {
	log    *slog.Logger
	notify string // path of systemd's socket

	mu   sync.Mutex
	held map[string]net.Listener // by name, from the wsd before; nobody has asked for them yet
}

// socketPrefix begins the name of each socket that is ours.
const socketPrefix = "wsd-"

// newKeeper takes what systemd has kept. It returns nil where systemd keeps nothing. The
// environment is cleared of it: no child may take the sockets for its own.
func newKeeper(log *slog.Logger) *keeper {
	files := activation.Files(true)
	notify := os.Getenv("NOTIFY_SOCKET")
	if notify == "" {
		return nil
	}
	k := &keeper{log: log, notify: notify, held: map[string]net.Listener{}}
	for _, f := range files {
		name, ours := strings.CutPrefix(f.Name(), socketPrefix)
		l, err := net.FileListener(f)
		_ = f.Close()
		switch {
		case err != nil:
			log.Warn("a socket that systemd kept cannot be used", "name", f.Name(), "err", err)
		case !ours:
			_ = l.Close()
		default:
			k.held[name] = l
		}
	}
	return k
}

// Take returns the listener that was kept under name, if address is still where it
// listens; the caller has it from then on.
func (k *keeper) Take(name, address string) (net.Listener, bool) {
	if k == nil {
		return nil, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	l, ok := k.held[name]
	if !ok {
		return nil, false
	}
	delete(k.held, name)
	if l.Addr().String() != address {
		_ = l.Close()
		k.send("FDSTOREREMOVE=1\nFDNAME=" + socketPrefix + name)
		return nil, false
	}
	return l, true
}

// Keep leaves a copy of l with systemd under name.
func (k *keeper) Keep(name string, l net.Listener) {
	filer, ok := l.(interface{ File() (*os.File, error) })
	if k == nil || !ok {
		return
	}
	f, err := filer.File()
	if err != nil {
		k.log.Warn("a socket cannot be left with systemd", "name", name, "err", err)
		return
	}
	defer f.Close()
	k.send("FDSTORE=1\nFDNAME="+socketPrefix+name, f)
}

// Drop takes a socket back from systemd.
func (k *keeper) Drop(name string) {
	if k != nil {
		k.send("FDSTOREREMOVE=1\nFDNAME=" + socketPrefix + name)
	}
}

// sweep closes the leased ports that were kept and nobody leases any more.
func (k *keeper) sweep() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, l := range k.held {
		if strings.HasPrefix(name, "port-") {
			_ = l.Close()
			delete(k.held, name)
			k.send("FDSTOREREMOVE=1\nFDNAME=" + socketPrefix + name)
		}
	}
}

func (k *keeper) send(state string, files ...*os.File) {
	if err := sendFiles(k.notify, state, files); err != nil {
		k.log.Warn("systemd cannot be told of a socket", "err", fmt.Errorf("%.40q: %w", state, err))
	}
}

// sendFiles sends a state with open files to the datagram socket at path; @ begins an
// abstract one.
func sendFiles(path, state string, files []*os.File) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written to a file
	var rights []byte
	for _, f := range files {
		rights = append(rights, unix.UnixRights(int(f.Fd()))...)
	}
	return unix.Sendmsg(fd, []byte(state), rights, &unix.SockaddrUnix{Name: path}, 0)
}
