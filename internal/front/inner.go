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
}

func newInner(conn net.Conn, to destination, in *bufio.Reader) *inner {
	i := &inner{Conn: conn, to: to, in: in}
	in.Reset(i)
	if c, ok := conn.(syscall.Conn); ok {
		i.raw, _ = c.SyscallConn()
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
	if i.raw == nil || i.in.Buffered() > 0 {
		return false
	}
	quiet := false
	err := i.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) //nolint:gosec // a file descriptor
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && quiet
}
