package front

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// Nobody gets the connection of another run, port or client, nor one that was kept for long.
func TestSparesAreForTheSameClientAlone(t *testing.T) {
	var s spares
	key := spareKey{"w", "r1", 80, "127.0.0.1"}
	one, two := net.Pipe()
	defer two.Close()
	s.put(key, one)
	for _, other := range []spareKey{{"x", "r1", 80, "127.0.0.1"}, {"w", "r2", 80, "127.0.0.1"}, {"w", "r1", 81, "127.0.0.1"}, {"w", "r1", 80, "::1"}} {
		if s.take(other) != nil {
			t.Errorf("%+v gets it", other)
		}
	}
	if s.take(key) != one || s.take(key) != nil {
		t.Error("it is not given once")
	}
	s.put(key, one)
	s.expire(time.Now().Add(spareTime))
	if _, err := two.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || s.take(key) != nil {
		t.Errorf("it is kept for ever: %v", err)
	}
	ends := make([]net.Conn, 0, maxSparesFor+1)
	for range maxSparesFor + 1 {
		one, two := net.Pipe()
		ends = append(ends, two)
		s.put(key, one)
	}
	if _, err := ends[maxSparesFor].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("one more than there may be is kept: %v", err)
	}
	s.close()
	if _, err := ends[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("it outlives the door: %v", err)
	}
}
