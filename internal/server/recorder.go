package server

import (
	"net/http"
	"time"
)

// recorder remembers whether an answer has begun, and with which status, and bounds
// the time in which the peer has to take it.
type recorder struct {
	http.ResponseWriter
	within time.Duration
	status int // 0: not begun
}

func (r *recorder) begin(status int) {
	if r.status != 0 || (status < 200 && status != http.StatusSwitchingProtocols) {
		return
	}
	r.status = status
	writeWithin(r.ResponseWriter, r.within) // hijacking takes it away again
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	r.begin(status)
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.begin(http.StatusOK)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController and the WebSocket upgrade reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// writeWithin bounds how long the peer may take to read what is written next.
func writeWithin(w http.ResponseWriter, d time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d)) // unsupported by recorders in tests
}

// pieces gives the peer a new deadline with every piece of what is long.
type pieces struct {
	w      http.ResponseWriter
	within time.Duration
}

func (p pieces) Write(b []byte) (int, error) {
	writeWithin(p.w, p.within)
	return p.w.Write(b)
}

// discard is a ResponseWriter that only collects headers.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
