package serve

import (
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// inodes are the keys of those of sockets that listen on ports.
func inodes(sockets map[string]agentapi.Port, ports map[int]bool) map[string]agentapi.Port {
	out := maps.Clone(sockets)
	maps.DeleteFunc(out, func(_ string, p agentapi.Port) bool { return !ports[p.Port] })
	return out
}

func TestTheKernelTellsOfTheSocketsThatProcDoes(t *testing.T) {
	ports := map[int]bool{}
	for _, address := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0", "127.0.0.2:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		ports[l.Addr().(*net.TCPAddr).Port] = true
		c, err := net.Dial("tcp", l.Addr().String()) // a connection is none
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	got, err := diagnosed()
	if err != nil {
		t.Fatal(err)
	}
	got = inodes(got, ports)
	if want := inodes(listening("/proc/net/tcp", "/proc/net/tcp6"), ports); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(got) != 4 { // 127.0.0.2 is not what localhost means
		t.Errorf("%d sockets are told, want 4: %v", len(got), got)
	}
}

// message is a netlink message.
func message(kind uint16, seq uint32, data []byte) []byte {
	b := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(data))
	binary.NativeEndian.PutUint32(b, uint32(len(b)+len(data)))
	binary.NativeEndian.PutUint16(b[4:], kind)
	binary.NativeEndian.PutUint32(b[8:], seq)
	return append(b, data...)
}

// socket is a struct inet_diag_msg.
func socket(port uint16, inode uint32) []byte {
	b := make([]byte, diagMsgSize)
	b[0] = unix.AF_INET
	binary.BigEndian.PutUint16(b[4:], port)
	binary.NativeEndian.PutUint32(b[68:], inode)
	return b
}

func TestAnAnswerOfTheKernelIsReadToItsEnd(t *testing.T) {
	refusal := binary.NativeEndian.AppendUint32(nil, ^uint32(unix.ENOENT)+1)
	for name, test := range map[string]struct {
		answer []byte
		more   bool
		failed bool
		inodes []string
	}{
		"two sockets, and more":     {append(message(diagByFamily, 7, socket(80, 1)), message(diagByFamily, 7, socket(81, 2))...), true, false, []string{"1", "2"}},
		"the end":                   {append(message(diagByFamily, 7, socket(80, 1)), message(unix.NLMSG_DONE, 7, nil)...), false, false, []string{"1"}},
		"an answer to another":      {append(message(unix.NLMSG_DONE, 6, nil), message(diagByFamily, 6, socket(80, 1))...), true, false, nil},
		"a refusal":                 {message(unix.NLMSG_ERROR, 7, refusal), false, true, nil},
		"a socket that is cut off":  {message(diagByFamily, 7, socket(80, 1)[:diagMsgSize-1]), true, false, nil},
		"a message that is cut off": {message(diagByFamily, 7, socket(80, 1))[:40], false, true, nil},
		"nothing":                   {nil, true, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := map[string]agentapi.Port{}
			more, err := readDiag(test.answer, 7, out)
			if more != test.more || (err != nil) != test.failed {
				t.Errorf("more %t, err %v", more, err)
			}
			if got := slices.Sorted(maps.Keys(out)); !slices.Equal(got, test.inodes) {
				t.Errorf("sockets %v, want %v", got, test.inodes)
			}
		})
	}
}

func FuzzReadDiag(f *testing.F) {
	f.Add(append(message(diagByFamily, 7, socket(80, 1)), message(unix.NLMSG_DONE, 7, nil)...))
	f.Fuzz(func(t *testing.T, answer []byte) {
		out := map[string]agentapi.Port{}
		_, _ = readDiag(answer, 7, out)
		if len(out) > len(answer)/diagMsgSize {
			t.Errorf("%d sockets in %d bytes", len(out), len(answer))
		}
	})
}

// What a look at the ports costs, and what it did by way of /proc: the second grows with
// the memory of the machine.
func BenchmarkPorts(b *testing.B) {
	b.Run("diag", func(b *testing.B) {
		for b.Loop() {
			if _, err := diagnosed(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("proc", func(b *testing.B) {
		for b.Loop() {
			listening("/proc/net/tcp", "/proc/net/tcp6")
		}
	})
}
