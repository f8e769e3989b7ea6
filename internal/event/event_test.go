package event

import (
	"testing"
	"time"
)

func TestChainFindsChangedAndMissingFacts(t *testing.T) {
	a := Event{Kind: WorkspaceCreated, Time: time.Unix(1, 0).UTC(), Detail: map[string]string{"b": "2", "a": "1"}}.Chain(1, "")
	b := Event{Kind: WorkspaceState}.Chain(2, a.Hash)
	c := Event{Kind: WorkspaceDeleted}.Chain(3, b.Hash)
	if !a.Intact("") || !b.Intact(a.Hash) || !c.Intact(b.Hash) {
		t.Fatal("an untouched chain is not intact")
	}
	if c.Intact(a.Hash) {
		t.Error("a missing fact is not found")
	}
	b.Actor = "uid:0"
	if b.Intact(a.Hash) {
		t.Error("a changed fact is not found")
	}
}

func TestSlowSubscriberIsClosedAndOthersAreNot(t *testing.T) {
	var bus Bus[int]
	slow, _ := bus.Subscribe(2)
	fast, cancel := bus.Subscribe(10)
	bus.Publish(1, 2, 3)
	bus.Publish(4)
	if got := collect(slow); len(got) != 2 {
		t.Errorf("the slow one got %v before it was closed", got)
	}
	cancel()
	cancel()
	if got := collect(fast); len(got) != 4 || got[3] != 4 {
		t.Errorf("the fast one got %v", got)
	}
	bus.Close()
	late, _ := bus.Subscribe(1)
	if _, open := <-late; open {
		t.Error("a closed bus takes subscribers")
	}
}

func collect(ch <-chan int) []int {
	var got []int
	for v := range ch {
		got = append(got, v)
	}
	return got
}
