package event

import (
	"slices"
	"sync"
	"testing"
)

func drain(ch <-chan int) (got []int) {
	for v := range ch {
		got = append(got, v)
	}
	return got
}

func TestEverySubscriberGetsEverythingInOrder(t *testing.T) {
	var b Bus[int]
	first, _ := b.Subscribe(10)
	b.Publish(1, 2)
	second, _ := b.Subscribe(10) // from now on
	b.Publish(3)
	b.Close()
	if got := drain(first); !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("the first got %v", got)
	}
	if got := drain(second); !slices.Equal(got, []int{3}) {
		t.Errorf("the second got %v", got)
	}
}

// What was in the buffer is still given; then the channel is closed, and never a hole.
func TestASubscriberThatIsTooSlowIsClosedWithoutAHole(t *testing.T) {
	var b Bus[int]
	slow, cancel := b.Subscribe(2)
	quick, _ := b.Subscribe(10)
	b.Publish(1, 2, 3)
	b.Publish(4)
	b.Close()
	if got := drain(slow); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("the slow one got %v", got)
	}
	if got := drain(quick); !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("the quick one got %v", got)
	}
	cancel() // closed already
}

func TestCancelEndsASubscriptionAndMayBeRepeated(t *testing.T) {
	var b Bus[int]
	ch, cancel := b.Subscribe(10)
	b.Publish(1)
	cancel()
	cancel()
	b.Publish(2)
	if got := drain(ch); !slices.Equal(got, []int{1}) {
		t.Errorf("got %v", got)
	}
}

func TestAfterCloseEverySubscriptionIsOver(t *testing.T) {
	var b Bus[int]
	b.Close()
	ch, cancel := b.Subscribe(10)
	b.Publish(1)
	if got := drain(ch); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	cancel()
	b.Close()
}

func TestTheBusIsSafeForManyAtOnce(t *testing.T) {
	var b Bus[int]
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 200 {
				ch, cancel := b.Subscribe(1)
				b.Publish(1, 2)
				cancel()
				if got := drain(ch); len(got) > 1 {
					t.Errorf("a buffer of 1 held %v", got)
				}
			}
		})
	}
	group.Wait()
	b.Close()
}
