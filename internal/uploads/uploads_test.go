package uploads

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestAnArchiveIsKeptWholeUntilNobodyUsesIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "uploads")
	s, now := New(dir), time.Now()
	if s.Has(digestOf("a"), now) {
		t.Error("it has what was never sent")
	}
	if err := s.Put(digestOf("a"), strings.NewReader("a")); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ digest, content, code string }{
		{digestOf("b"), "a", "digest_mismatch"}, {"../" + digestOf("b")[3:], "b", "digest_invalid"}, {strings.ToUpper(digestOf("b")), "b", "digest_invalid"},
	} {
		if err := s.Put(bad.digest, strings.NewReader(bad.content)); !fault.HasCode(err, bad.code) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	f, err := s.Open(digestOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(f); string(b) != "a" {
		t.Errorf("it holds %q", b)
	}
	_ = f.Close()
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("the folder holds %v", entries)
	}
	if !s.Has(digestOf("a"), now.Add(time.Hour)) || s.Sweep(now.Add(Life+30*time.Minute)) != nil || !s.Has(digestOf("a"), now) {
		t.Error("it was removed although it was used")
	}
	if err := s.Sweep(now.Add(Life + 2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(digestOf("a")); !fault.Is(err, fault.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestAnArchiveForWhichThereIsNoRoomIsToldSo(t *testing.T) {
	dir := t.TempDir()
	s := New(dir)
	if err := s.Put(digestOf("a"), iotest.ErrReader(&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})); !fault.Is(err, fault.StorageFull) {
		t.Errorf("told %v", err)
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("left are %v, %v", entries, err)
	}
}
