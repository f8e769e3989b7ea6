package serve

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// Sizes and numbers of linux/inet_diag.h, linux/sock_diag.h and net/tcp_states.h.
const (
	diagByFamily = 20 // SOCK_DIAG_BY_FAMILY
	diagListen   = 10 // TCP_LISTEN
	diagReqSize  = 56 // struct inet_diag_req_v2
	diagMsgSize  = 72 // struct inet_diag_msg
)

// diagTime bounds the wait for the kernel, which answers at once or never.
const diagTime = time.Second

// diagnosed asks the kernel for the listening TCP sockets of this network namespace, by
// inode. /proc/net/tcp tells the same, but to read it walks the table of all connections of
// the machine, which takes milliseconds of the processor however few there are.
func diagnosed() (map[string]agentapi.Port, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	wait := unix.NsecToTimeval(int64(diagTime))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		return nil, os.NewSyscallError("setsockopt", err)
	}
	out := map[string]agentapi.Port{}
	buf := make([]byte, 32<<10) // more than the kernel puts into one message
	for i, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		seq := uint32(i + 1) //nolint:gosec // of two
		if err := unix.Sendto(fd, diagRequest(family, seq), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return nil, os.NewSyscallError("sendto", err)
		}
		for more := true; more; {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return nil, os.NewSyscallError("recvfrom", err)
			}
			if more, err = readDiag(buf[:n], seq, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// diagRequest asks for all listening TCP sockets of a family.
func diagRequest(family byte, seq uint32) []byte {
	b := make([]byte, unix.SizeofNlMsghdr+diagReqSize)
	binary.NativeEndian.PutUint32(b[0:], uint32(len(b))) //nolint:gosec // 72
	binary.NativeEndian.PutUint16(b[4:], diagByFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(b[8:], seq)
	b[16], b[17] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(b[20:], 1<<diagListen)
	return b
}

// readDiag adds the sockets of one answer to out, and reports whether another follows.
func readDiag(b []byte, seq uint32, out map[string]agentapi.Port) (more bool, err error) {
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, fmt.Errorf("a netlink message of %d bytes in %d", size, len(b))
		}
		kind, data := binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size]
		ours := binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
		switch {
		case !ours:
		case kind == unix.NLMSG_DONE:
			return false, nil
		case kind == unix.NLMSG_ERROR && len(data) >= 4:
			return false, os.NewSyscallError("netlink", unix.Errno(-int32(binary.NativeEndian.Uint32(data)))) //nolint:gosec // an errno
		case kind == diagByFamily && len(data) >= diagMsgSize:
			addDiag(data, out)
		}
	}
	return true, nil
}

// addDiag adds the socket of a struct inet_diag_msg.
func addDiag(m []byte, out map[string]agentapi.Port) {
	addr := netip.AddrFrom4([4]byte(m[8:12]))
	if m[0] == unix.AF_INET6 {
		addr = netip.AddrFrom16([16]byte(m[8:24])).Unmap()
	}
	if !reachable(addr) {
		return
	}
	inode := strconv.FormatUint(uint64(binary.NativeEndian.Uint32(m[68:])), 10)
	out[inode] = agentapi.Port{Port: int(binary.BigEndian.Uint16(m[4:])), Address: addr.String()}
}
