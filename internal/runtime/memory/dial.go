package memory

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

// conn is a dialled connection: a pipe whose other end the container serves.
type conn struct {
	net.Conn
	server net.Conn
	driver *Driver
}

// Dial implements runtime.Driver. A paused container is ErrPaused; a port on which
// nothing listens is syscall.ECONNREFUSED. The connection ends with the container,
// with the driver, or by Close.
func (d *Driver) Dial(ctx context.Context, r runtime.Ref, port int) (net.Conn, error) {
	var made *conn
	err := d.on(ctx, OpDial, r, func(c *container, _ time.Time) error {
		switch {
		case c.run == nil:
			return runtime.ErrNotRunning
		case c.run.frozen:
			return runtime.ErrPaused
		case port == 0 || c.run.port != port:
			return fmt.Errorf("port %d: %w", port, syscall.ECONNREFUSED)
		}
		client, server := net.Pipe()
		made = &conn{Conn: client, server: server, driver: d}
		if c.run.conns == nil {
			c.run.conns = map[*conn]struct{}{}
		}
		c.run.conns[made] = struct{}{}
		d.conns[made] = struct{}{}
		go d.engine.serve(made, c.run, c.volume)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// serve answers requests on one connection until either side closes it.
func (e *Engine) serve(c *conn, life *run, v *volume) {
	defer func() {
		_ = c.server.Close()
		e.mu.Lock()
		delete(life.conns, c)
		delete(c.driver.conns, c)
		e.mu.Unlock()
	}()
	in := bufio.NewReader(c.server)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil || !e.warm(life) {
			return
		}
		resp := e.answer(req, v, life.root)
		err = resp.Write(c.server)
		if cerr := resp.Body.Close(); err != nil || cerr != nil || resp.Close {
			return
		}
	}
}

// warm waits while the container is frozen; false when it ended.
func (e *Engine) warm(life *run) bool {
	for {
		e.mu.Lock()
		frozen, thawed := life.frozen, life.thawed
		e.mu.Unlock()
		if !frozen {
			return true
		}
		select {
		case <-thawed:
		case <-life.done:
			return false
		}
	}
}

// answer serves a file of the volume, index.html for a folder, or the list of
// files at the top.
func (e *Engine) answer(req *http.Request, v *volume, root string) *http.Response {
	name := strings.TrimPrefix(req.URL.Path, "/")
	if name == "" || strings.HasSuffix(name, "/") {
		name += "index.html"
	}
	e.mu.Lock()
	body, ok := v.files[root+name]
	if !ok && name == "index.html" {
		body, ok = v.listing(root), true
	}
	e.mu.Unlock()
	code := http.StatusOK
	if !ok {
		code, body = http.StatusNotFound, []byte("no such file\n")
	}
	return &http.Response{
		StatusCode: code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: req.Close,
		Header:        http.Header{"Content-Type": {http.DetectContentType(body)}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// listing names the files below root, one a line.
func (v *volume) listing(root string) []byte {
	var names []string
	for name := range v.files {
		if rel, below := strings.CutPrefix(name, root); below {
			names = append(names, rel+"\n")
		}
	}
	slices.Sort(names)
	return []byte(strings.Join(names, ""))
}
