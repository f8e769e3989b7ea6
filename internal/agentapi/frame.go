package agentapi

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// The kinds of frames.
const (
	Stdin   byte = 0
	Stdout  byte = 1
	Stderr  byte = 2
	Ctl     byte = 3 // JSON: the first frame of a client, or a Control
	maxKind      = Ctl
)

// MaxFrame bounds the payload of one frame, in bytes.
const MaxFrame = 64 << 10

const headerSize = 5

// WriteFrame writes one frame: a byte of kind, four bytes of length (big endian), the
// payload. It makes one call of Write for all of it; callers take turns. A payload over
// MaxFrame is an error.
func WriteFrame(w io.Writer, kind byte, payload []byte) error {
	if len(payload) > MaxFrame {
		return fmt.Errorf("cannot write a frame of %d bytes, at most %d are allowed", len(payload), MaxFrame)
	}
	buf := make([]byte, headerSize+len(payload))
	buf[0] = kind
	binary.BigEndian.PutUint32(buf[1:], uint32(len(payload))) //nolint:gosec // bounded above
	copy(buf[headerSize:], payload)
	_, err := w.Write(buf)
	return err
}

// WriteControl writes v as the JSON of a Ctl frame.
func WriteControl(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return WriteFrame(w, Ctl, b)
}

// Reader reads frames. It is used by one goroutine; a payload is good until the next call.
type Reader struct {
	r   io.Reader
	buf []byte
}

// NewReader returns a Reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next frame. io.EOF is an end between frames; an unknown kind and a
// length over MaxFrame are errors, after which the stream cannot be used.
func (r *Reader) Next() (kind byte, payload []byte, err error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if head[0] > maxKind || n > MaxFrame {
		return 0, nil, fmt.Errorf("cannot read a frame of kind %d and %d bytes", head[0], n)
	}
	if int(n) > cap(r.buf) {
		r.buf = make([]byte, n)
	}
	payload = r.buf[:n]
	if _, err := io.ReadFull(r.r, payload); err != nil {
		return 0, nil, fmt.Errorf("cannot read a whole frame: %w", err)
	}
	return head[0], payload, nil
}
