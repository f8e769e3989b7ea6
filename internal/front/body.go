package front

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// Room in the memory of a piece of a body, in bytes.
const (
	pieceSize = 32 << 10 // what io.Copy uses too
	sizeRoom  = 10       // before it: the size of a chunk in hexadecimal, and a line's end
	endRoom   = 7        // after it: a line's end, and the last chunk
)

// piece is the memory of a piece of a body on its way, which begins at sizeRoom.
type piece [sizeRoom + pieceSize + endRoom]byte

// pieces are those of bodies on their way. Without them each body makes one of its own.
var pieces = sync.Pool{New: func() any { return new(piece) }}

// pieceWriter sends the n bytes of a piece; last says that no more follow.
type pieceWriter func(p *piece, n int, last bool) error

// asItIs sends a body to w without a frame.
func asItIs(w io.Writer) pieceWriter {
	return func(p *piece, n int, _ bool) error {
		_, err := w.Write(p[sizeRoom : sizeRoom+n])
		return err
	}
}

// inChunks sends a body to w in the chunked transfer coding (RFC 9112, 7.1). trailer is
// asked for after the last piece.
func inChunks(w io.Writer, trailer func() http.Header) pieceWriter {
	return func(p *piece, n int, last bool) error {
		from, to := sizeRoom, sizeRoom
		if n > 0 {
			size := append(strconv.AppendInt(make([]byte, 0, sizeRoom), int64(n), 16), "\r\n"...)
			from -= copy(p[sizeRoom-len(size):], size)
			to += n + copy(p[sizeRoom+n:], "\r\n")
		}
		if !last {
			_, err := w.Write(p[from:to])
			return err
		}
		to += copy(p[to:], "0\r\n")
		var end http.Header
		if trailer != nil {
			end = trailer()
		}
		if len(end) == 0 {
			to += copy(p[to:], "\r\n")
		}
		if _, err := w.Write(p[from:to]); err != nil || len(end) == 0 {
			return err
		}
		writeFields(w, end, ofAnswer)
		_, err := io.WriteString(w, "\r\n")
		return err
	}
}

// atOnce has every piece leave out as soon as it is written there.
func atOnce(out *bufio.Writer, to pieceWriter) pieceWriter {
	return func(p *piece, n int, last bool) error {
		return errors.Join(to(p, n, last), out.Flush())
	}
}

// pour sends the whole of from, piece by piece as they come. It tells the failures of
// either side apart.
func pour(to pieceWriter, from io.Reader) (read, written error) {
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for {
		n, err := from.Read(p[sizeRoom : sizeRoom+pieceSize])
		last := errors.Is(err, io.EOF)
		if n > 0 || last {
			if err := to(p, n, last); err != nil {
				return nil, err
			}
		}
		if last || err != nil {
			return whole(err), nil
		}
	}
}

// whole is err unless that only says that there is no more.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
