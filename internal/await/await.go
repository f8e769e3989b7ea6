// Package await tells when connections that are quiet nearly always can be read. One goroutine
// waits for all of a Set by epoll(7), where a blocked Read or Accept would hold a goroutine, with
// its stack, for each. Linux only, as wsd is.
package await

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Set is what one goroutine waits for. The zero value is ready, and takes nothing until the
// first Watch. All methods are safe for concurrent use.
type Set struct {
	mu      sync.Mutex
	epoll   *os.File // nil: nothing was watched yet
	fd      int      // of epoll
	watches map[uint64]*Watch
	last    uint64 // id of the newest watch
	closed  bool
	group   sync.WaitGroup // the waiting goroutine, and every then
}

// Watch is the wait for one connection or listener.
type Watch struct {
	set   *Set
	conn  syscall.RawConn
	id    uint64
	then  func()
	known bool // to the kernel; guarded by the set's lock
}

// Watch prepares to wait for c; Arm begins. Each time then is called once, in a goroutine of its
// own, when c can be read without waiting: there are bytes, a connection to accept, the end or
// an error. It may also be called when there is nothing, as when another has been faster. ok is
// false where c is no socket of the kernel, or the set is closed: the caller has to wait by itself.
func (s *Set) Watch(c any, then func()) (w *Watch, ok bool) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil, false
	}
	conn, err := socket.SyscallConn()
	if err != nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open() != nil {
		return nil, false
	}
	s.last++
	w = &Watch{set: s, conn: conn, id: s.last, then: then}
	s.watches[w.id] = w
	return w, true
}

// open begins to wait, once; the lock is held.
func (s *Set) open() error {
	if s.epoll != nil {
		return nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	epoll := os.NewFile(uintptr(fd), "epoll") // non-blocking: the runtime's own poller waits for it
	conn, err := epoll.SyscallConn()
	if err != nil {
		return errors.Join(err, epoll.Close())
	}
	s.epoll, s.fd, s.watches = epoll, fd, make(map[uint64]*Watch)
	s.group.Go(func() { s.wait(conn) })
	return nil
}

// wait calls what has become ready until the set is closed.
func (s *Set) wait(epoll syscall.RawConn) {
	var ready [64]unix.EpollEvent
	for {
		n := 0
		err := epoll.Read(func(fd uintptr) bool {
			for {
				var err error
				if n, err = unix.EpollWait(int(fd), ready[:], 0); !errors.Is(err, unix.EINTR) {
					return n != 0 // what is none is waited for
				}
			}
		})
		if err != nil {
			return
		}
		for _, ev := range ready[:max(n, 0)] {
			s.mu.Lock()
			w := s.watches[idOf(ev)]
			s.mu.Unlock()
			if w != nil {
				s.group.Go(w.then)
			}
		}
	}
}

// An event carries the 64 bits that were given with its descriptor: no number of the kernel,
// which may be another's by the time that it is told.
func eventOf(id uint64) unix.EpollEvent {
	return unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))} //nolint:gosec // bits, not numbers
}

func idOf(ev unix.EpollEvent) uint64 {
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32 //nolint:gosec // bits, not numbers
}

// Arm waits for one call of then, which may begin before Arm returns. It reports false where that
// cannot be: the connection or the set is closed, or Stop was called.
func (w *Watch) Arm() bool {
	op := unix.EPOLL_CTL_MOD
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.watches[w.id] != w {
		return false
	}
	if !w.known {
		op = unix.EPOLL_CTL_ADD
	}
	w.known = w.control(op) == nil
	return w.known
}

// Ready reports whether there is something to read now.
func (w *Watch) Ready() bool {
	n := 0
	err := w.conn.Control(func(fd uintptr) {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}}, 0) //nolint:gosec // a descriptor
	})
	return err != nil || n > 0 // a connection that is closed is at its end
}

// Stop ends the wait, before the connection is closed. A then that has begun goes on.
func (w *Watch) Stop() {
	s := w.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[w.id] != w {
		return
	}
	delete(s.watches, w.id)
	if w.known && !s.closed {
		_ = w.control(unix.EPOLL_CTL_DEL) // a descriptor that is closed is gone from there
	}
}

// control changes what the kernel knows; the set's lock is held and the set is open.
func (w *Watch) control(op int) error {
	var err error
	ev := eventOf(w.id)
	if cerr := w.conn.Control(func(fd uintptr) { err = unix.EpollCtl(w.set.fd, op, int(fd), &ev) }); cerr != nil {
		return cerr
	}
	return err
}

// Close ends every wait, and returns after each then that has begun.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	epoll := s.epoll
	s.watches = nil
	s.mu.Unlock()
	if epoll != nil {
		_ = epoll.Close() // it ends the waiting goroutine
	}
	s.group.Wait()
}
