package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/workspace"
)

// readyTime bounds the start of a daemon, endTime its end.
const (
	readyTime = 30 * time.Second
	endTime   = 20 * time.Second
)

// daemon is one wsd with a folder of its own.
type daemon struct {
	s      settings
	dir    string
	env    []string
	names  string // address on which workspaces are served by name
	client *client.Client
	cmd    *exec.Cmd
	ended  chan error
	log    *os.File
}

// newDaemon prepares a folder; nothing runs yet.
func newDaemon(s settings, driver string, firstPort int) (*daemon, error) {
	firstPort, err := freePorts(firstPort)
	if err != nil {
		return nil, err
	}
	names, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "wsd-bench-")
	if err != nil {
		return nil, err
	}
	socket, state := filepath.Join(dir, "run", "wsd.sock"), filepath.Join(dir, "state")
	d := &daemon{s: s, dir: dir, names: names}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "WSD_") {
			d.env = append(d.env, kv)
		}
	}
	d.env = append(d.env, "WSD_SOCKET="+socket, "WSD_STATE_DIR="+state, "WSD_DRIVER="+driver,
		"WSD_CONFIG="+filepath.Join(dir, "config.toml"), "WSD_FRONT_ADDRESS="+names,
		"WSD_PORTS_FIRST="+strconv.Itoa(firstPort), "WSD_PORTS_LAST="+strconv.Itoa(firstPort+portCount-1))
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), nil, 0o600); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	d.client = client.New(client.Options{Socket: socket, Retry: client.RetryPolicy{Attempts: 1}})
	return d, nil
}

// freePorts returns the beginning of a range of portCount ports of which nobody
// holds one now, not below from.
func freePorts(from int) (int, error) {
	for first := from; first+portCount <= lastPort; {
		taken, err := takenPort(first, first+portCount)
		if err != nil {
			return 0, err
		}
		if taken == 0 {
			return first, nil
		}
		first = taken + 1
	}
	return 0, fmt.Errorf("no %d ports in a row from %d to %d are free", portCount, from, lastPort)
}

// takenPort is the highest port of first to beyond-1 that is in use, or 0.
func takenPort(first, beyond int) (int, error) {
	for port := beyond - 1; port >= first; port-- {
		l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRINUSE) {
			return port, nil
		}
		if err != nil {
			return 0, err
		}
		if err := l.Close(); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (d *daemon) stateDir() string { return filepath.Join(d.dir, "state") }

// start runs wsd and returns when it answers.
func (d *daemon) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	d.cmd, d.log, d.ended = exec.Command(d.s.wsd, "serve"), log, make(chan error, 1)
	d.cmd.Env, d.cmd.Stdout, d.cmd.Stderr = d.env, log, log
	if err := d.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("cannot start wsd: %w", err), log.Close())
	}
	go func() { d.ended <- d.cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := d.ready(ctx); err != nil {
		return fmt.Errorf("wsd is not ready: %w: %s", err, d.lastLog())
	}
	return nil
}

// ready polls the socket, over a new client each time: one that failed often
// enough would rest.
func (d *daemon) ready(ctx context.Context) error {
	return poll(ctx, 2*time.Millisecond, func() error {
		select {
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("it ended: %w", err)
		default:
		}
		c := client.New(client.Options{Socket: d.client.Socket(), Retry: client.RetryPolicy{Attempts: 1}})
		defer c.Close()
		_, err := c.Status(ctx)
		return err
	})
}

func (d *daemon) lastLog() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

// stop ends wsd by its process id: first by asking, then by killing.
func (d *daemon) stop() error {
	if d.cmd == nil {
		return nil
	}
	defer func() { _ = d.log.Close(); d.cmd = nil }()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-d.ended: //nolint:errcheck // its status was asked for by nobody
		return nil
	case <-timer.C:
	}
	return errors.Join(fmt.Errorf("wsd did not end within %s", endTime), d.cmd.Process.Kill())
}

// remove ends wsd and removes its folder.
func (d *daemon) remove() error {
	d.client.Close()
	return errors.Join(d.stop(), os.RemoveAll(d.dir))
}

// wsctl runs the command line against this daemon.
func (d *daemon) wsctl(ctx context.Context, args ...string) ([]byte, error) {
	return command(ctx, d.env, d.s.wsctl, args...)
}

// create runs `wsctl create`.
func (d *daemon) create(ctx context.Context, name string) (w workspace.Workspace, err error) {
	out, err := d.wsctl(ctx, "create", name, "--json")
	if err != nil {
		return w, err
	}
	if err := json.Unmarshal(out, &w); err != nil {
		return w, fmt.Errorf("cannot read what wsctl create printed: %w", err)
	}
	return w, nil
}

func (d *daemon) delete(ctx context.Context, name string) error {
	_, err := d.wsctl(ctx, "delete", "--force", name)
	return err
}

// resident returns the daemon's resident memory in MB (10^6 bytes): the median
// of a few looks.
func (d *daemon) resident(ctx context.Context) (*Figure, error) {
	var samples []float64
	for range 5 {
		if err := rest(500 * time.Millisecond)(ctx); err != nil {
			return nil, err
		}
		mb, err := residentOf(d.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		samples = append(samples, mb)
	}
	return figure("MB", samples), nil
}
