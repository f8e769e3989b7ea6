package front

import (
	"bufio"
	"errors"
	"math"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	// soon is how long an answer may take before somebody looks whether the client still waits.
	soon = 20 * time.Millisecond
	// maxAnswerHead bounds the heads of one answer, in bytes.
	maxAnswerHead = 1 << 20
)

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
	to      destination
	in      *bufio.Reader // of the inner itself
	raw     syscall.RawConn
	late    func() // called once when an exchange takes longer than soon
	reads   int    // since the exchange began
	got     bool   // a byte has come since then
	bounded bool   // a deadline for reading stands
	left    int64  // bytes of heads
}

func newInner(conn net.Conn, to destination, late func(), in *bufio.Reader) *inner {
	i := &inner{Conn: conn, to: to, late: late, in: in}
	in.Reset(i)
	if c, ok := conn.(syscall.Conn); ok {
		i.raw, _ = c.SyscallConn()
	}
	return i
}

// begin is called before each exchange.
func (i *inner) begin() { i.reads, i.got, i.left = 0, false, maxAnswerHead }

// Read reads what the server says. What does not come soon, or at once, is awaited without
// a bound, and late is told.
func (i *inner) Read(p []byte) (int, error) {
	if i.left <= 0 {
		return 0, errLongHead
	}
	i.reads++
	if i.reads == 1 {
		i.bounded = true
		_ = i.SetReadDeadline(time.Now().Add(soon))
		if n, err := i.Conn.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			return i.count(n, err)
		}
	}
	i.await()
	return i.count(i.Conn.Read(p))
}

func (i *inner) count(n int, err error) (int, error) {
	i.got = i.got || n > 0
	i.left -= int64(n)
	return n, err
}

// await lets whoever reads next wait for as long as it takes.
func (i *inner) await() {
	if i.bounded {
		i.bounded = false
		_ = i.SetReadDeadline(time.Time{})
	}
	i.late()
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
