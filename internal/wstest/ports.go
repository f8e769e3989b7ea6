package wstest

import (
	"math/rand/v2"
	"net"
	"strconv"
)

// rangeWidth is how many ports a daemon in a test may lease.
const rangeWidth = 40

// freeRange returns a range below the ephemeral ports of which nobody holds any, so
// that tests of several packages at a time do not meet.
func freeRange() (first, last int) {
	for {
		first = 10000 + rand.IntN(500)*rangeWidth
		if allFree(first) {
			return first, first + rangeWidth - 1
		}
	}
}

func allFree(first int) bool {
	for p := first; p < first+rangeWidth; p++ {
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}
