package proc

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// DefaultPath is searched where the environment has no PATH at all.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// The statuses by which a shell reports a command that did not start.
const (
	StatusNotExecutable = 126
	StatusNotFound      = 127
)

// LookPath finds the file to execute for name in the agent's own PATH. A name with a slash
// is relative to the folder dir in which it is started ("": the agent's own).
func LookPath(name, dir string) (string, error) {
	if strings.Contains(name, "/") {
		full := name
		if !filepath.IsAbs(name) {
			full = filepath.Join(dir, name)
		}
		info, err := os.Stat(full)
		if err == nil && info.IsDir() {
			return "", syscall.EISDIR
		}
		return name, err
	}
	if os.Getenv("PATH") == "" {
		_ = os.Setenv("PATH", DefaultPath)
	}
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		return filepath.Abs(path)
	}
	return path, err
}

// Missing tells whether no file was found, which is not the same as one that cannot run.
func Missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound)
}

// StartStatus is the status by which a shell reports that a command did not start.
func StartStatus(err error) int {
	if Missing(err) {
		return StatusNotFound
	}
	return StatusNotExecutable
}

// Reason is a sentence for people in place of the system's short one.
func Reason(err error) string {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "no such command in PATH (" + os.Getenv("PATH") + ")"
	case errors.Is(err, fs.ErrNotExist):
		return "no such file, or the program that interprets it is missing"
	case errors.Is(err, fs.ErrPermission):
		return "permission denied: is it executable?"
	case errors.Is(err, syscall.EISDIR):
		return "it is a directory"
	case errors.Is(err, syscall.ENOEXEC):
		return "not a program for this machine, and no #! line"
	}
	return err.Error()
}
