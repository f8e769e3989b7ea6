package cli

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A signal and a terminal that is gone both leave, and at once where a window is closed. That
// they meet is likely only after many rounds.
func TestATerminalIsLeftByTwoAtOnce(t *testing.T) {
	rounds := make([]*raw, 50_000)
	for i := range rounds {
		rounds[i] = &raw{left: make(chan struct{})}
	}
	var both sync.WaitGroup
	var arrived atomic.Int64
	for range 2 {
		both.Go(func() {
			for i, r := range rounds {
				arrived.Add(1)
				for n := 0; arrived.Load() < int64(2*(i+1)); n++ {
					if n > 1000 { // one processor for both
						runtime.Gosched()
					}
				}
				r.leave()
			}
		})
	}
	both.Wait()
	for _, r := range rounds {
		<-r.left
	}
}
