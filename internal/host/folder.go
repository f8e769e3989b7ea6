package host

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/wsctl/wsctl/internal/fault"
)

// Folder is a folder of this machine and whose it is.
type Folder struct {
	Path     string // without symbolic links
	UID, GID uint32
}

// LookFolder finds the folder that path names, through symbolic links.
func LookFolder(path string) (Folder, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Folder{}, missing(path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return Folder{}, missing(path, err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok {
		return Folder{}, fault.New(fault.Invalid, "not_a_folder", "%.200q is not a folder", path)
	}
	return Folder{real, st.Uid, st.Gid}, nil
}

func missing(path string, err error) error {
	return fault.New(fault.Invalid, "folder_missing", "wsd cannot look at the folder %.200q", path).WithCause(err)
}
