package wstest

import (
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Ranges begin at firstPort, above the last port that browsers refuse (10080, Fetch standard).
const (
	firstPort = 10200
	ranges    = 490
)

// rangeWidth is how many ports a daemon in a test may lease.
const rangeWidth = 40

// FreeAddress returns an address of this machine at which nobody listens, and which no other
// test gets until this one ends.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	port, _ := freeRange(tb)
	return address(port)
}

// freeRange returns a range below the ephemeral ports of which nobody holds any. It is the
// test's own until it ends: tests of several packages at a time do not meet.
func freeRange(tb testing.TB) (first, last int) {
	tb.Helper()
	dir := filepath.Join(os.TempDir(), "wsd-test-ports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		tb.Fatal(err)
	}
	for {
		first = firstPort + rand.IntN(ranges)*rangeWidth
		if reserved(tb, filepath.Join(dir, strconv.Itoa(first))) && allFree(first) {
			return first, first + rangeWidth - 1
		}
	}
}

// reserved locks a file for the test, and reports whether nobody else holds it.
func reserved(tb testing.TB, path string) bool {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = f.Close()
		return false
	}
	tb.Cleanup(func() { _ = f.Close() })
	return true
}

func allFree(first int) bool {
	for p := first; p < first+rangeWidth; p++ {
		l, err := net.Listen("tcp4", address(p))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
