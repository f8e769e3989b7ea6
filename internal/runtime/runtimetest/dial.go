package runtimetest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

func dialCases() []row {
	return []row{
		{"dial reaches what listens inside", checkDial},
		{"several connections to one port live at the same time", checkDialMany},
		{"dial to a port where nothing listens fails at once, and says so", checkDialClosed},
		{"dial to what does not run is ErrNotRunning", checkDialStopped},
	}
}

// request asks for a path over one new connection.
func request(ctx context.Context, d runtime.Driver, c runtime.Container, path string) (code int, body string, err error) {
	conn, err := d.Dial(ctx, c.Ref, c.Spec.Port)
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(quick)); err != nil {
		return 0, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://workspace/"+path, nil)
	if err != nil {
		return 0, "", err
	}
	if err := req.Write(conn); err != nil {
		return 0, "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// answers waits until the container answers 200 and returns its status.
func (w *world) answers(c runtime.Container) runtime.Status {
	w.Helper()
	w.eventually("an answer over HTTP", func() bool {
		code, _, err := request(w.ctx, w.Driver, c, "")
		return err == nil && code == http.StatusOK
	})
	return w.state(c.Ref, runtime.ObservedRunning)
}

func checkDial(w *world) {
	c := w.container("dial")
	c.Spec.Files = fileNamed("hello.txt", "hello\n")
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.answers(c)
	code, body, err := request(w.ctx, w.Driver, c, "hello.txt")
	w.must(err, "ask for a file")
	if code != http.StatusOK || body != "hello\n" {
		w.Errorf("got %d %q", code, body)
	}
}

func checkDialMany(w *world) {
	c := w.running("dialmany")
	w.answers(c)
	for range 3 {
		idle, err := w.Driver.Dial(w.ctx, c.Ref, c.Spec.Port)
		w.must(err, "dial")
		w.Cleanup(func() { _ = idle.Close() })
	}
	if code, _, err := request(w.ctx, w.Driver, c, ""); err != nil || code != http.StatusOK {
		w.Errorf("beside idle connections: got %d, %v", code, err)
	}
}

func checkDialClosed(w *world) {
	c := w.running("dialclosed")
	w.answers(c)
	err := w.soon("dial to a closed port", quick, func() error {
		conn, err := w.Driver.Dial(w.ctx, c.Ref, 1)
		if err == nil {
			err = errors.Join(errConnected, conn.Close())
		}
		return err
	})
	for _, wrong := range []error{errConnected, runtime.ErrNotFound, runtime.ErrUnreachable, runtime.ErrNotRunning} {
		if errors.Is(err, wrong) {
			w.Errorf("a closed port is told as %v", err)
		}
	}
}

var errConnected = errors.New("a connection stands")

func checkDialStopped(w *world) {
	c := w.container("dialstopped")
	w.made(c)
	_, err := w.Driver.Dial(w.ctx, c.Ref, c.Spec.Port)
	w.mustBe(err, runtime.ErrNotRunning, "dial one that never ran")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.answers(c)
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	_, err = w.Driver.Dial(w.ctx, c.Ref, c.Spec.Port)
	w.mustBe(err, runtime.ErrNotRunning, "dial a stopped one")
}
