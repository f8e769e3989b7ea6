package await

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// patience bounds every wait of these tests; nothing is judged by it.
const patience = 20 * time.Second

// pair is a connection and its other end.
func pair(t *testing.T) (mine, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("unix", t.TempDir()+"/s")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if mine, err = net.Dial("unix", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = mine.Close(), theirs.Close() })
	return mine, theirs
}

func came(t *testing.T, c <-chan int, want int) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Fatalf("%d is told, want %d", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("%d is never told", want)
	}
}

func watched(t *testing.T, s *Set, c any, then func()) *Watch {
	t.Helper()
	w, ok := s.Watch(c, then)
	if !ok {
		t.Fatal("it cannot be watched")
	}
	return w
}

func TestEachArmTellsOnce(t *testing.T) {
	var s Set
	defer s.Close()
	told := make(chan int, 10)
	mine, theirs := pair(t)
	w := watched(t, &s, mine, func() { told <- 1 })
	other, beside := pair(t)
	o := watched(t, &s, other, func() { told <- 2 })
	for range 3 {
		if w.Ready() || !w.Arm() || !o.Arm() {
			t.Fatal("it is ready too early, or cannot be armed")
		}
		_, _ = theirs.Write([]byte("a"))
		came(t, told, 1)
		_, _ = theirs.Write([]byte("b")) // nobody is told: the next arm finds it
		_, _ = beside.Write([]byte("c"))
		came(t, told, 2)
		if !w.Arm() {
			t.Fatal("it cannot be armed again")
		}
		came(t, told, 1)
		if !w.Ready() {
			t.Error("there are two bytes, and it is not ready")
		}
		if _, err := io.ReadFull(mine, make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(other, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) > 0 {
		t.Errorf("%d is told without an arm", <-told)
	}
}

func TestTheEndIsTold(t *testing.T) {
	var s Set
	defer s.Close()
	told := make(chan int, 1)
	mine, theirs := pair(t)
	watched(t, &s, mine, func() { told <- 1 }).Arm()
	_ = theirs.Close()
	came(t, told, 1)
	if _, err := mine.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the read gives %v", err)
	}
}

func TestAListenerIsReadWhenSomebodyConnects(t *testing.T) {
	var s Set
	defer s.Close()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	told := make(chan int, 1)
	w := watched(t, &s, l, func() { told <- 1 })
	for range 2 {
		w.Arm()
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		came(t, told, 1)
		inner, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Close(), inner.Close()
	}
}

func TestWhatIsStoppedOrClosedIsNotTold(t *testing.T) {
	var s Set
	told := make(chan int, 10)
	stopped, a := pair(t)
	closed, b := pair(t)
	kept, c := pair(t)
	w := watched(t, &s, stopped, func() { told <- 1 })
	x := watched(t, &s, closed, func() { told <- 2 })
	w.Arm()
	x.Arm()
	watched(t, &s, kept, func() { told <- 3 }).Arm()
	w.Stop()
	w.Stop()
	_ = closed.Close()
	for _, end := range []net.Conn{a, b, c} {
		_, _ = end.Write([]byte("x"))
	}
	came(t, told, 3)
	if w.Arm() || x.Arm() {
		t.Error("what is over can be armed")
	}
	s.Close()
	if _, ok := s.Watch(kept, func() {}); ok {
		t.Error("a closed set watches")
	}
	if len(told) > 0 {
		t.Errorf("%d is told", <-told)
	}
}

func TestCloseWaitsForWhatHasBegun(t *testing.T) {
	var s Set
	var ended atomic.Bool
	begun, goOn := make(chan int, 1), make(chan struct{})
	mine, theirs := pair(t)
	watched(t, &s, mine, func() { begun <- 1; <-goOn; ended.Store(true) }).Arm()
	_, _ = theirs.Write([]byte("x"))
	came(t, begun, 1)
	go close(goOn)
	s.Close()
	if !ended.Load() {
		t.Error("Close returned before what it had begun")
	}
	s.Close()
}

func TestWhatIsNoSocketIsLeftToTheCaller(t *testing.T) {
	var s Set
	defer s.Close()
	c, _ := net.Pipe()
	if _, ok := s.Watch(c, func() {}); ok {
		t.Error("a pipe is watched")
	}
}

func TestManyCostOneGoroutine(t *testing.T) {
	var s Set
	defer s.Close()
	before := runtime.NumGoroutine()
	for range 100 {
		mine, _ := pair(t)
		watched(t, &s, mine, func() {}).Arm()
	}
	if n := runtime.NumGoroutine() - before; n > 10 {
		t.Errorf("100 connections take %d goroutines", n)
	}
}
