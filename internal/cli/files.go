package cli

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/wsctl/wsctl/internal/fault"
)

// fileFault words why a file that a person named could not be used.
func fileFault(verb, path string, err error) *fault.Error {
	kind, why := fault.Internal, "the file cannot be used"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind, why = fault.NotFound, "it does not exist"
	case errors.Is(err, fs.ErrExist):
		kind, why = fault.Conflict, "it exists already"
	case errors.Is(err, fs.ErrPermission):
		kind, why = fault.Denied, "you may not"
	case errors.Is(err, syscall.ENOSPC):
		kind, why = fault.StorageFull, "the file system is full"
	case errors.Is(err, syscall.EISDIR):
		kind, why = fault.Usage, "it is a folder"
	default:
		var path *os.PathError
		if errors.As(err, &path) {
			why = path.Err.Error()
		}
	}
	return fault.New(kind, "file", "cannot %s %s: %s", verb, path, why).WithCause(err)
}
