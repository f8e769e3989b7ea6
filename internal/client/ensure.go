package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// EnsureTimeout bounds EnsureDaemon when the options do not.
const EnsureTimeout = 15 * time.Second

// DaemonOptions are what EnsureDaemon needs; only Socket is required.
type DaemonOptions struct {
	Socket   string
	StateDir string        // given to wsd as WSD_STATE_DIR; "": wsd decides
	Config   string        // absolute path, given to wsd as WSD_CONFIG; "": wsd finds its file
	Binary   string        // absolute path of wsd; "": FindDaemon
	LogFile  string        // where wsd's output is appended; "": StateDir/wsd.log, else beside the socket
	Timeout  time.Duration // 0: EnsureTimeout
	// OnStart is called when this process is the one that starts wsd. May be nil.
	OnStart func(binary string)
}

// EnsureDaemon makes sure that a wsd answers on the socket and reports whether this
// call started it. Any number of processes may call it at once: a lock file beside
// the socket lets one of them start wsd while the others wait for it to answer.
// wsd gets a session of its own, so it survives the caller and its terminal.
func EnsureDaemon(ctx context.Context, o DaemonOptions) (started bool, err error) {
	switch err := listening(ctx, o.Socket); {
	case err == nil:
		return false, nil
	case errors.Is(err, os.ErrPermission):
		return false, unreachable(o.Socket, err)
	}
	if o.Timeout == 0 {
		o.Timeout = EnsureTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fault.New(fault.Unavailable, "daemon_start_timeout",
		"wsd did not answer within %s", o.Timeout).WithHint("look at `wsctl daemon logs`"))
	defer cancel()
	unlock, err := lockStart(ctx, o.Socket)
	if err != nil {
		return false, err
	}
	defer unlock()
	switch err := listening(ctx, o.Socket); {
	case err == nil:
		return false, nil
	case !absent(err):
		return false, unreachable(o.Socket, err)
	}
	return startDaemon(ctx, o)
}

// listening returns nil if somebody accepts connections on the socket.
func listening(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	conn, err := dialSocket(ctx, socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

// lockStart takes the lock beside the socket. The kernel drops it with the process,
// so a killed starter blocks nobody.
func lockStart(ctx context.Context, socket string) (unlock func(), err error) {
	dir := filepath.Dir(socket)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, folderFault("socket", dir, err)
	}
	f, err := os.OpenFile(socket+".start", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, folderFault("socket", dir, err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, folderFault("socket", dir, err)
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			_ = f.Close()
			return nil, fault.From(err)
		}
	}
}

// folderFault tells that the folder of a setting, of the socket or the state, is of no use.
func folderFault(setting, dir string, err error) *fault.Error {
	kind, reason := fault.Unavailable, "cannot be used"
	switch {
	case errors.Is(err, os.ErrPermission):
		kind, reason = fault.Denied, "may not be written by you"
	case errors.Is(err, syscall.EROFS):
		reason = "is on a read-only file system"
	case errors.Is(err, syscall.ENOSPC):
		kind, reason = fault.StorageFull, "is on a full file system"
	}
	code, hint := "socket_folder", "set WSD_SOCKET to a path in a folder of your own"
	if setting == "state_dir" {
		code, hint = "state_folder", "make it writable, or set WSD_STATE_DIR to a folder of your own"
	}
	return fault.New(kind, code, "wsd is not running and the folder %s %s", dir, reason).WithHint("%s", hint).WithCause(err)
}

// FindDaemon looks for wsd beside the running program, then in PATH.
func FindDaemon() (string, error) {
	if self, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(self); err == nil {
			self = real
		}
		beside := filepath.Join(filepath.Dir(self), "wsd")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, nil
		}
	}
	path, err := exec.LookPath("wsd")
	if err != nil {
		return "", fault.New(fault.Unavailable, "daemon_missing", "wsd is not running, and its program was not found beside wsctl nor in PATH").
			WithHint("install wsd beside wsctl, or start it yourself with `wsd serve`").WithCause(err)
	}
	return filepath.Abs(path)
}

// logPath returns where wsd's output goes.
func (o DaemonOptions) logPath() string {
	switch {
	case o.LogFile != "":
		return o.LogFile
	case o.StateDir != "":
		return filepath.Join(o.StateDir, "wsd.log")
	}
	return filepath.Join(filepath.Dir(o.Socket), "wsd.log")
}

func startDaemon(ctx context.Context, o DaemonOptions) (started bool, err error) {
	if o.Binary == "" {
		path, err := FindDaemon()
		if err != nil {
			return false, err
		}
		o.Binary = path
	}
	log, begin, err := openLog(o.logPath())
	if err != nil {
		return false, err
	}
	defer log.Close()
	if o.OnStart != nil {
		o.OnStart(o.Binary)
	}
	cmd := exec.Command(o.Binary, "serve")                                   //nolint:gosec // the person's own program
	cmd.Env = append(os.Environ(), "WSD_SOCKET="+o.Socket, "NOTIFY_SOCKET=") // a unit that runs wsctl waits for no word of wsd's
	if o.StateDir != "" {
		cmd.Env = append(cmd.Env, "WSD_STATE_DIR="+o.StateDir)
	}
	if o.Config != "" {
		cmd.Env = append(cmd.Env, "WSD_CONFIG="+o.Config)
	}
	cmd.Dir = "/" // it must not keep a file system busy
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return false, fault.New(fault.Unavailable, "daemon_start_failed", "the program %s cannot be started", o.Binary).WithCause(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return awaitDaemon(ctx, o, ended, begin)
}

// maxLog is the size in bytes from which a start begins a new log; the one before is kept.
const maxLog = 16 << 20

func openLog(path string) (f *os.File, begin int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, 0, folderFault("state_dir", filepath.Dir(path), err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".1") // else the log grows on
	}
	f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, folderFault("state_dir", filepath.Dir(path), err)
	}
	if info, err := f.Stat(); err == nil {
		begin = info.Size()
	}
	return f, begin, nil
}

// awaitDaemon waits until wsd answers or ends. One that ends because another answers on its
// socket by now is no failure, and was not started by us.
func awaitDaemon(ctx context.Context, o DaemonOptions, ended <-chan error, begin int64) (ours bool, err error) {
	probe := New(Options{
		Dial:   func(ctx context.Context) (net.Conn, error) { return dialSocket(ctx, o.Socket) },
		Socket: o.Socket, Retry: RetryPolicy{Attempts: 1},
	})
	defer probe.Close()
	for delay := 5 * time.Millisecond; ; delay = min(delay*2, 100*time.Millisecond) {
		select {
		case err := <-ended:
			if listening(ctx, o.Socket) != nil {
				return false, startFailed(o, err, begin)
			}
			ended = nil
		case <-ctx.Done():
			return false, withLog(fault.From(context.Cause(ctx)), o, begin)
		case <-time.After(delay):
		}
		if listening(ctx, o.Socket) != nil {
			continue
		}
		if _, err := probe.Status(ctx); err == nil || answered(err) {
			return ended != nil, nil
		}
	}
}

// answered reports whether err is wsd's own answer: it lives, whatever it says.
func answered(err error) bool { var e *Error; return errors.As(err, &e) }

func startFailed(o DaemonOptions, err error, begin int64) error {
	how := "ended at once"
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		how = "ended with " + exit.String()
	}
	f := fault.New(fault.Unavailable, "daemon_start_failed", "wsd was started but %s", how).
		WithHint("the whole log is in %s", o.logPath())
	if err != nil {
		f = f.WithCause(err)
	}
	return withLog(f, o, begin)
}

// withLog adds the last lines that wsd wrote since begin to the sentence.
func withLog(f *fault.Error, o DaemonOptions, begin int64) *fault.Error {
	const lines, bytesKept = 5, 8 << 10
	file, err := os.Open(o.logPath())
	if err != nil {
		return f
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size()-begin > bytesKept {
		begin = info.Size() - bytesKept
	}
	raw, _ := io.ReadAll(io.NewSectionReader(file, begin, bytesKept))
	said := strings.Split(string(bytes.TrimSpace(raw)), "\n")
	if len(said) > lines {
		said = said[len(said)-lines:]
	}
	if text := strings.TrimSpace(strings.Join(said, "\n")); text != "" {
		c := *f
		c.Text += "; it said:\n" + text
		return &c
	}
	return f
}
