// Package uploads keeps archives that a client has sent ahead of the request that needs
// them: the files of a workspace, or what an image is built from.
//
// An archive is named by its SHA-256, so it is whole or not there, and sending it twice
// does no harm. It is kept until it has not been asked for during Life. Methods are safe
// for concurrent use.
package uploads

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// MaxBytes bounds one archive.
const MaxBytes = 4 << 30

// Life is how long an archive is kept after it was last used.
const Life = 24 * time.Hour

// Store is a folder of archives.
type Store struct{ dir string }

// New returns the store in the folder dir, which is made when it is needed.
func New(dir string) *Store { return &Store{dir} }

// Put keeps what r gives, if its SHA-256 is digest.
func (s *Store) Put(digest string, r io.Reader) error {
	if !isDigest(digest) {
		return fault.New(fault.Invalid, "digest_invalid", "%.80q is not a SHA-256 in hexadecimal", digest)
	}
	err := s.put(digest, r)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.New(fault.StorageFull, "storage_full", "no space is left for the archive").
			WithHint("free space where wsd keeps its state, or leave out what is not needed").WithCause(err)
	}
	return err
}

func (s *Store) put(digest string, r io.Reader) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name()) // gone once it is renamed
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(tmp, sum), io.LimitReader(r, MaxBytes+1))
	switch {
	case err != nil:
		return err
	case n > MaxBytes:
		return fault.New(fault.TooLarge, "archive_too_large", "the archive is larger than %d GiB", MaxBytes>>30).
			WithHint("leave out what is not needed, such as node_modules")
	case hex.EncodeToString(sum.Sum(nil)) != digest:
		return fault.New(fault.Invalid, "digest_mismatch", "the archive is not the one that was announced").WithHint("send it again")
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(s.dir, digest))
}

// Has reports whether the archive is there, and keeps it for another Life.
func (s *Store) Has(digest string, now time.Time) bool {
	return isDigest(digest) && os.Chtimes(filepath.Join(s.dir, digest), now, now) == nil
}

// Open opens an archive.
func (s *Store) Open(digest string) (io.ReadCloser, error) {
	if isDigest(digest) {
		f, err := os.Open(filepath.Join(s.dir, digest))
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, fault.New(fault.NotFound, "archive_missing", "the archive %.12s is not here, or not any more", digest).
		WithHint("send it first: PUT /v1/uploads/{digest}")
}

// Sweep removes what nobody has used since now - Life.
func (s *Store) Sweep(now time.Time) error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		info, ierr := e.Info()
		if ierr == nil && now.Sub(info.ModTime()) > Life {
			err = errors.Join(err, os.Remove(filepath.Join(s.dir, e.Name())))
		}
	}
	return err
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && hex.EncodeToString(b) == s
}
