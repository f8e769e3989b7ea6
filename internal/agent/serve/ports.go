package serve

import (
	"bufio"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxPorts bounds the ports that a report names.
const maxPorts = 256

// ports finds the listening TCP ports. Whose they are costs a look at every process, so
// that is looked up again only when the set of sockets has changed.
type ports struct {
	mu    sync.Mutex
	inode map[string]agentapi.Port // of the sockets that were there last, with their owners
}

// list returns the ports in order of number, once each.
func (p *ports) list() []agentapi.Port {
	sockets, err := diagnosed()
	if err != nil { // a kernel or a profile without it
		sockets = listening("/proc/net/tcp", "/proc/net/tcp6")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !sameKeys(sockets, p.inode) {
		name(sockets)
		p.inode = sockets
	}
	out := make([]agentapi.Port, 0, len(p.inode))
	for _, port := range p.inode {
		out = append(out, port)
	}
	slices.SortFunc(out, func(a, b agentapi.Port) int {
		if a.Port != b.Port {
			return a.Port - b.Port
		}
		return strings.Compare(a.Address, b.Address)
	})
	out = slices.CompactFunc(out, func(a, b agentapi.Port) bool { return a.Port == b.Port })
	return out[:min(len(out), maxPorts)]
}

func sameKeys(a, b map[string]agentapi.Port) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if _, ok := b[k]; !ok {
			return false
		}
	}
	return true
}

// listening reads tables in the format of /proc/net/tcp (proc(5)) and returns their
// listening sockets by inode. Lines that are not understood are left out.
func listening(files ...string) map[string]agentapi.Port {
	const listen = "0A"
	out := map[string]agentapi.Port{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			continue // no IPv6
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != listen {
				continue
			}
			if addr, ok := endpoint(fields[1]); ok && reachable(addr.Addr()) {
				out[fields[9]] = agentapi.Port{Port: int(addr.Port()), Address: addr.Addr().String()}
			}
		}
		_ = f.Close()
	}
	return out
}

// reachable leaves out what a connection to localhost does not find, such as the name
// server that the container engine puts on 127.0.0.11.
func reachable(a netip.Addr) bool {
	return !a.IsLoopback() || a == netip.AddrFrom4([4]byte{127, 0, 0, 1}) || a == netip.IPv6Loopback()
}

// endpoint reads ADDRESS:PORT in hexadecimal: groups of four bytes, each in the order of
// the machine (little endian).
func endpoint(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	b, herr := hex.DecodeString(host)
	if !ok || err != nil || herr != nil || len(b) != 4 && len(b) != 16 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(b); i += 4 {
		slices.Reverse(b[i : i+4])
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), true
}

// name adds to sockets which process has them, as far as that may be seen.
func name(sockets map[string]agentapi.Port) {
	left := len(sockets)
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range dirs {
		if left == 0 {
			return
		}
		pid, _ := strconv.Atoi(strings.Split(dir, "/")[2])
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's
		}
		for _, fd := range fds {
			target, err := os.Readlink(filepath.Join(dir, fd.Name()))
			inode, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			inode = strings.TrimSuffix(inode, "]")
			if port, ok := sockets[inode]; ok && port.PID == 0 {
				port.PID, port.Process = pid, comm(pid)
				sockets[inode] = port
				left--
			}
		}
	}
}

// comm is the name of a process. What the agent serves by itself is called as its command
// is, which follows the dashes.
func comm(pid int) string {
	if i := slices.Index(os.Args, "--"); pid == os.Getpid() && i >= 0 && i+1 < len(os.Args) {
		return filepath.Base(os.Args[i+1])
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimSpace(string(b)), "\uFFFD")
}
