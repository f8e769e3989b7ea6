package gateway

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
)

func small(frames, bytes int) *queue {
	return newQueue(Limits{QueueFrames: frames, QueueBytes: bytes}, func() []*frame { return []*frame{{typ: api.FrameBye, data: []byte("bye")}} })
}

func text(key, s string) *frame { return &frame{typ: "x", key: key, data: []byte(s)} }

// rest takes all that waits.
func rest(q *queue) []string {
	var list []string
	for {
		f, _ := q.take()
		if f == nil {
			return list
		}
		list = append(list, string(f.data))
	}
}

func TestAQueueKeepsOrderAndOnlyTheNewestOfAKey(t *testing.T) {
	q := small(10, 1000)
	for _, f := range []*frame{text("", "1"), text("a", "a1"), text("b", "b1"), text("", "2"), text("a", "a2"), text("a", "a3")} {
		if !q.push(f) {
			t.Fatal("it is full")
		}
	}
	if got := rest(q); !slices.Equal(got, []string{"1", "b1", "2", "a3"}) {
		t.Errorf("took %v", got)
	}
	if n, b := q.size(); n != 0 || b != 0 {
		t.Errorf("%d frames and %d bytes are left", n, b)
	}
}

func TestAFullQueueEndsWithItsLastWordsAlone(t *testing.T) {
	for name, tt := range map[string]struct{ frames, bytes int }{"by frames": {3, 1 << 20}, "by bytes": {1000, 3 * 10}} {
		t.Run(name, func(t *testing.T) {
			q := small(tt.frames, tt.bytes)
			for i := range 3 {
				if !q.push(text("", strings.Repeat("x", 10))) {
					t.Fatalf("frame %d does not fit", i)
				}
			}
			if q.push(text("", "y")) || q.push(text("", "z")) {
				t.Error("more than its limits fit")
			}
			q.give(text("", "w"))
			q.end(1000, "", text("", "v"))
			if got := rest(q); !slices.Equal(got, []string{"bye"}) {
				t.Errorf("took %v", got)
			}
			if _, over := q.take(); !over {
				t.Error("it is not over")
			}
			if code, _ := q.goodbye(); code != api.CloseSlow {
				t.Errorf("it ends with %d", code)
			}
		})
	}
}

func TestWhatOneKeyTellsNeverFillsAQueue(t *testing.T) {
	q := small(2, 100)
	for i := range 10_000 {
		if !q.push(text("progress", strconv.Itoa(i))) {
			t.Fatalf("full after %d", i)
		}
	}
	if got := rest(q); !slices.Equal(got, []string{"9999"}) {
		t.Errorf("took %v", got)
	}
}

func TestWhatWasMissedDoesNotCountAgainstTheLimits(t *testing.T) {
	q := small(2, 20)
	for i := range 100 {
		q.give(text("", strconv.Itoa(i)))
	}
	if !q.push(text("", "a")) || !q.push(text("", "b")) {
		t.Error("what is new does not fit behind it")
	}
	for i := range 100 {
		if f, _ := q.take(); f == nil || string(f.data) != strconv.Itoa(i) {
			t.Fatalf("frame %d is %+v", i, f)
		}
	}
	if q.push(text("", "c")) {
		t.Error("once it was taken there is more room than the limits give")
	}
}

func TestAnEndedQueueStillGivesWhatWaited(t *testing.T) {
	q := small(5, 100)
	q.push(text("", "1"))
	q.end(1001, "going", text("", "bye"))
	if got := rest(q); !slices.Equal(got, []string{"1", "bye"}) {
		t.Errorf("took %v", got)
	}
	if code, reason := q.goodbye(); code != 1001 || reason != "going" {
		t.Errorf("%d %s", code, reason)
	}
}

// What was given waits among what counts: each is counted by itself, however often.
func TestTheLimitsOfAQueueStayWhatTheyAre(t *testing.T) {
	for name, tt := range map[string]struct{ pushed, given int }{"long ones count": {100, 1}, "long ones were missed": {1, 500}} {
		t.Run(name, func(t *testing.T) {
			q := small(100, 1000)
			for range 100 {
				q.push(text("", strings.Repeat("x", tt.pushed)))
				q.give(text("", strings.Repeat("y", tt.given)))
				if got := rest(q); len(got) != 2 {
					t.Fatalf("took %v", got)
				}
			}
			for i := range 10 {
				if !q.push(text("", strings.Repeat("x", 100))) {
					t.Fatalf("frame %d does not fit", i)
				}
			}
			if q.push(text("", "x")) {
				t.Error("more than its limits fit")
			}
		})
	}
}

func TestAQueueForgetsARoomButNoAnswer(t *testing.T) {
	q := small(3, 100)
	in := func(room, typ, s string) *frame { return &frame{typ: typ, room: room, data: []byte(s)} }
	q.give(in("a", api.FrameSnapshot, "a1"), in("b", api.FrameSnapshot, "b1"))
	q.push(in("a", api.FrameState, "a2"))
	q.push(in("a", api.FrameError, "refused"))
	q.push(in("a", api.FrameLeft, "left"))
	q.forget("a")
	if !q.push(in("b", api.FrameState, "b2")) {
		t.Error("what was forgotten still counts")
	}
	if got := rest(q); !slices.Equal(got, []string{"b1", "refused", "left", "b2"}) {
		t.Errorf("took %v", got)
	}
}
