package front

import (
	"bufio"
	"errors"
	"math"
	"net"
	"syscall"

	"github.com/wsctl/wsctl/internal/workspace"
)

// maxAnswerHead bounds the heads of one answer, in bytes.
const maxAnswerHead = 1 << 20

var errLongHead = errors.New("the head of the answer is too large")

// destination is a port of one run of a workspace.
type destination struct {
	workspace workspace.Workspace
	port      int
}

// is reports whether both are the same port of the same run.
func (d destination) is(o destination) bool {
	return d.workspace.ID == o.workspace.ID && d.workspace.Run == o.workspace.Run && d.port == o.port
}

// inner is a caller's connection into a workspace.
type inner struct {
	net.Conn
	to   destination
	in   *bufio.Reader   // of the inner itself
	raw  syscall.RawConn // nil: there is none
	got  bool            // a byte has come since the exchange began
	left int64           // bytes of heads that may still come

	looked  looked
	receive func(fd uintptr) bool // of looked
	one     [1]byte               // that is peeked at
}

func newInner(conn net.Conn, to destination, in *bufio.Reader) *inner {
	i := &inner{Conn: conn, to: to, in: in}
	in.Reset(i)
	if c, ok := conn.(syscall.Conn); ok {
		i.raw, _ = c.SyscallConn()
		i.receive = i.looked.receive
	}
	return i
}

// begin is called before each exchange.
func (i *inner) begin() { i.got, i.left = false, maxAnswerHead }

// Read reads what the server says, within the bound of a head.
func (i *inner) Read(p []byte) (int, error) {
	if i.left <= 0 {
		return 0, errLongHead
	}
	n, err := i.Conn.Read(p)
	i.got = i.got || n > 0
	i.left -= int64(n)
	return n, err
}

// headEnds says that what comes is no longer a head.
func (i *inner) headEnds() { i.left = math.MaxInt64 }

// isQuiet reports whether the connection stands and nothing has come over it, as it has to
// be between two exchanges.
func (i *inner) isQuiet() bool {
	_, err := i.look(i.one[:], syscall.MSG_PEEK)
	return i.in.Buffered() == 0 && errors.Is(err, syscall.EAGAIN)
}

// glance reads what has come into p, if anything has. Nothing of it is buffered.
func (i *inner) glance(p []byte) int {
	n, err := i.look(p, 0)
	if err != nil {
		return 0 // who reads next meets it again
	}
	return n
}

// look receives without waiting.
func (i *inner) look(p []byte, flags int) (int, error) {
	if i.raw == nil {
		return 0, errors.ErrUnsupported
	}
	i.looked.into, i.looked.flags = p, flags
	if err := i.raw.Read(i.receive); err != nil {
		return 0, err
	}
	return i.looked.n, i.looked.err
}

// looked is what receive takes and gives: a closure would be made anew for each look.
type looked struct {
	into  []byte
	flags int
	n     int
	err   error
}

func (l *looked) receive(fd uintptr) bool {
	l.n, _, l.err = syscall.Recvfrom(int(fd), l.into, l.flags|syscall.MSG_DONTWAIT) //nolint:gosec // a file descriptor
	return true
}
