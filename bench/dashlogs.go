package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// fewLogs are the MB after which the dashboard's rings are full: what it takes then is
// compared with what it takes after all.
const fewLogs = 100

// dashUnderLogs compares the memory of a dashboard that has followed much output with what
// it was after little.
func dashUnderLogs(ctx context.Context, d *daemon) (rows []Row, err error) {
	f, err := d.flood(fewLogs*1e6, int64(d.s.logs)*1e6)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	b, err := d.dashboard(f.socket)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.until(ctx, "bench-"); err != nil {
		return nil, err
	}
	if err := errors.Join(b.press("2"), b.until(ctx, "following")); err != nil {
		return nil, err
	}
	var found [2]*Figure
	for i, part := range []*atomic.Bool{&f.fewSent, &f.allSent} {
		begun := time.Now()
		if err := poll(ctx, 50*time.Millisecond, func() error {
			if !part.Load() {
				return fmt.Errorf("%d MB of output were taken in %s", f.sent.Load()/1e6, time.Since(begun).Round(time.Second))
			}
			return nil
		}); err != nil {
			return nil, err
		}
		if found[i], err = b.resident(ctx); err != nil {
			return nil, err
		}
		f.proceed()
	}
	what := fmt.Sprintf("resident memory of the dashboard after %d MB of output / after %d MB", d.s.logs, fewLogs)
	return []Row{against(what, found[1], found[0], 1.1)}, nil
}

// flood stands before wsd on a socket of its own and answers for the output of every
// workspace: first few bytes of text, then, once it may go on, up to all.
type flood struct {
	socket           string
	few, all         int64
	sent             atomic.Int64
	fewSent, allSent atomic.Bool
	next             chan struct{}
	srv              *http.Server
}

func (d *daemon) flood(few, all int64) (*flood, error) {
	f := &flood{socket: filepath.Join(d.dir, "run", "flood.sock"), few: few, all: all, next: make(chan struct{}, 2)}
	ln, err := net.Listen("unix", f.socket)
	if err != nil {
		return nil, err
	}
	wsd := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "wsd"})
	wsd.FlushInterval = -1
	wsd.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", d.client.Socket())
	}}
	f.srv = &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			f.pour(w, r)
			return
		}
		wsd.ServeHTTP(w, r)
	})}
	go func() { _ = f.srv.Serve(ln) }()
	return f, nil
}

func (f *flood) proceed() { f.next <- struct{}{} }

func (f *flood) close() error { return errors.Join(f.srv.Close(), remove(f.socket)) }

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// pour writes output as wsd does, in pieces that are made once.
func (f *flood) pour(w http.ResponseWriter, r *http.Request) {
	piece, text := logPiece(time.Now())
	w.Header().Set("Content-Type", "application/x-ndjson")
	for f.sent.Load() < f.all {
		if f.sent.Load() >= f.few && !f.fewSent.Load() {
			f.fewSent.Store(true)
			select {
			case <-f.next:
			case <-r.Context().Done():
				return
			}
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		f.sent.Add(text)
	}
	f.allSent.Store(true)
	<-r.Context().Done()
}

// logPiece is some hundred lines as they are on the wire, and the bytes of their text.
func logPiece(now time.Time) (piece []byte, text int64) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for i := range 500 {
		line := workspace.LogLine{Time: now, Stream: "stdout", Text: fmt.Sprintf("\x1b[32mGET\x1b[0m /page/%d 200 %s", i, strings.Repeat("x", 170))}
		text += int64(len(line.Text))
		if err := e.Encode(line); err != nil {
			panic("bench: a line cannot fail to marshal: " + err.Error())
		}
	}
	return b.Bytes(), text
}
