package store

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/fault"
)

// reserveSpace allocates space beyond the end of the file, so that what has to be
// written for workspaces that exist (stops, deletes, results of jobs) can be written
// when others have filled the disk. Where there is no space for it, or the file
// system knows no such thing, the store works without.
func (s *Store) reserveSpace() {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.file.Stat()
	if err != nil || s.reserved == info.Size() {
		return
	}
	// bbolt grows the file by making it longer, which keeps what is allocated there.
	if unix.Fallocate(int(s.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, info.Size()+growSize) == nil {
		s.reserved = info.Size()
	}
}

// Room is "storage_full" when the disk has no space for more workspaces. Update does
// not ask: what remains is for those that exist.
func (s *Store) Room() error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(s.file.Fd()), &st); err != nil || st.Blocks == 0 {
		return nil // a write will tell
	}
	if st.Bavail*uint64(st.Bsize) < growSize {
		return storageFull(syscall.ENOSPC)
	}
	return nil
}

func storageFull(cause error) *fault.Error {
	return fault.New(fault.StorageFull, "storage_full", "no space is left for the daemon's state").
		WithHint("free some space where the state is kept, or delete workspaces, then try again").WithCause(cause)
}
