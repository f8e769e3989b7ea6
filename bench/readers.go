package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/wsctl/wsctl/internal/api"
)

// readerEnv makes this program the one that reads sockets, so that its work and memory are
// not those of the gateway.
const readerEnv = "WSD_BENCH_READERS"

// readSockets opens sockets and counts the frames on them. Each line of standard input
// says how many frames every socket will get; when all have come it prints done. It ends
// with its input.
func readSockets(kind, address, clients string) error {
	n, err := strconv.Atoi(clients)
	if err != nil {
		return err
	}
	var left atomic.Int64
	done, broken := make(chan struct{}, 1), make(chan error, n)
	for range n {
		r, err := openSocket(kind, address)
		if err != nil {
			return err
		}
		go func() {
			broken <- countFrames(r, func() {
				if left.Add(-1) == 0 {
					done <- struct{}{}
				}
			})
		}()
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		frames, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		left.Store(int64(n) * int64(frames))
		fmt.Println("waiting")
		select {
		case <-done:
			fmt.Println("done")
		case err := <-broken:
			return err
		}
	}
	return nil
}

// openSocket returns a socket that the frames come from, past what comes before.
func openSocket(kind, address string) (*bufio.Reader, error) {
	c, err := net.Dial("tcp", address)
	if err != nil || kind == "raw" {
		return bufio.NewReaderSize(c, 512), err
	}
	const head = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + api.GatewayProtocol + "\r\n\r\n"
	if _, err := io.WriteString(c, head); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(c, 512)
	resp, err := http.ReadResponse(r, nil) //nolint:bodyclose // the connection becomes a WebSocket
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the gateway answers %s", resp.Status)
	}
	join, err := json.Marshal(api.Frame{V: 1, Type: api.FrameJoin, Workspace: benchRoom, Payload: json.RawMessage(`{"observe":true}`)})
	if err != nil {
		return nil, err
	}
	// A mask of zeros leaves the payload as it is (RFC 6455, 5.3).
	if _, err := c.Write(append([]byte{0x81, 0x80 | byte(len(join)), 0, 0, 0, 0}, join...)); err != nil {
		return nil, err
	}
	for {
		payload, err := readFrame(r, nil)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(payload, []byte(`"type":"presence"`)) {
			return r, nil // the last one of those that tell how the room is
		}
	}
}

func countFrames(r *bufio.Reader, counted func()) error {
	var buf []byte
	for {
		payload, err := readFrame(r, buf)
		if err != nil {
			return err
		}
		buf = payload
		if bytes.Contains(payload, []byte(`"type":"console"`)) { // pings come too
			counted()
		}
	}
}

// readFrame reads one frame of a server, of at most 64 KiB, into buf if it fits.
func readFrame(r *bufio.Reader, buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return nil, err
	}
	size := int(head[1])
	switch {
	case size == 126:
		if _, err := io.ReadFull(r, head[2:]); err != nil {
			return nil, err
		}
		size = int(head[2])<<8 | int(head[3])
	case size > 126:
		return nil, errors.New("a frame is too long")
	}
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	_, err := io.ReadFull(r, buf)
	return buf, err
}
