package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

// fail turns an error of a request into one of ours and, where the engine was not
// reached, forgets the session. ctx is the caller's, without our own budget: its
// cancellation is the caller's wish, while a deadline (ours or the caller's) means
// that the engine did not answer in time and the outcome is unknown.
func (l *link) fail(ctx context.Context, s *session, what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("cannot %s: %w", what, ctx.Err())
	case broken(err):
		l.drop(s)
		return fmt.Errorf("cannot %s: %w: %w", what, runtime.ErrUnreachable, err)
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("cannot %s: %w: %w", what, runtime.ErrNotFound, err)
	}
	return refused(what, err)
}

// broken reports whether the engine itself did not give this answer.
func broken(err error) bool {
	var ne net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return true
	case client.IsErrConnectionFailed(err), errors.As(err, &ne):
		return true
	case cerrdefs.IsUnavailable(err):
		return true
	}
	// The engine lives but its own container service does not; it has no status
	// code of its own for that.
	return cerrdefs.IsInternal(err) && strings.Contains(err.Error(), "containerd.sock")
}

// refused is the fault for an answer of the engine that says no. The engine's own
// words stay in the cause, which only logs show.
func refused(what string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	kind, code, hint := fault.Internal, "engine_error", "the daemon's log has the engine's own words"
	switch {
	case strings.Contains(err.Error(), "no space left on device"): // has no status code of its own
		kind, code, hint = fault.StorageFull, "engine_disk_full", "free space on the engine's disk"
	case cerrdefs.IsConflict(err):
		kind, code = fault.Conflict, "engine_conflict"
	case cerrdefs.IsInvalidArgument(err):
		kind, code = fault.Invalid, "engine_refused"
	case cerrdefs.IsPermissionDenied(err), cerrdefs.IsUnauthorized(err):
		kind, code = fault.Denied, "engine_denied"
	case cerrdefs.IsNotImplemented(err):
		kind, code = fault.Unsupported, "engine_unsupported"
	}
	return fault.New(kind, code, "the container engine could not %s", what).WithHint("%s", hint).WithCause(err)
}

// leftTask reports whether err is the engine's "task ID: already exists", which has no
// status code of its own.
func leftTask(err error) bool {
	return err != nil && strings.Contains(err.Error(), ": task ") && strings.Contains(err.Error(), ": already exists")
}

// unfrozen reports whether err is runc's: on cgroup v1 it gives up, and lets all go on, when a
// busy machine does not stop every process in time.
func unfrozen(err error) bool {
	return err != nil && strings.Contains(err.Error(), "unable to freeze")
}

// otherGone reports whether the engine ended a build since an image that it looked at, not one
// that the build needs, was removed meanwhile.
func otherGone(text string) bool { return strings.Contains(text, `unable to find image "sha256:`) }

// foreign is the fault for an object with our name that is not ours.
func foreign(kind, name string) error {
	return fault.New(fault.Conflict, "foreign_object", "the %s %s exists at the engine and is not of this daemon", kind, name).
		WithHint("it is left alone; rename or remove it by hand if it is not needed")
}

// lost is ErrNotFound for a container that cannot run again.
func lost(what string) error { return fmt.Errorf("%w: %s", runtime.ErrNotFound, what) }
