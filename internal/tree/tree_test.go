package tree

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// archive makes a tar archive of headers; a file's content is its link name.
func archive(t testing.TB, headers ...tar.Header) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := ""
		if h.Typeflag == tar.TypeReg {
			body, h.Linkname = h.Linkname, ""
		}
		h.Size = int64(len(body))
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func file(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Linkname: content}
}

func link(name, to string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
}

func TestNothingIsWrittenOutside(t *testing.T) {
	tests := []struct {
		name    string
		headers []tar.Header
		bad     bool // an ArchiveError; else whatever error, or none
	}{
		{"by dots", []tar.Header{file("../evil", "x")}, true},
		{"by dots in the middle", []tar.Header{file("a/../../evil", "x")}, true},
		{"by an absolute name", []tar.Header{file("/evil", "x")}, true},
		{"through a link of the archive", []tar.Header{link("out", ".."), file("out/evil", "x")}, false},
		{"through an absolute link", []tar.Header{link("out", "OUTSIDE"), file("out/evil", "x")}, false},
		{"through a link that was there", []tar.Header{file("planted/evil", "x")}, false},
		{"onto a link's target", []tar.Header{file("victim", "x")}, false},
		{"by a hard link", []tar.Header{{Name: "h", Typeflag: tar.TypeLink, Linkname: "../secret"}}, true},
		{"by a hard link through a link", []tar.Header{link("out", ".."), {Name: "h", Typeflag: tar.TypeLink, Linkname: "out/secret"}}, false},
		{"by a folder", []tar.Header{{Name: "../evil/", Typeflag: tar.TypeDir, Mode: 0o755}}, true},
		{"by a device", []tar.Header{{Name: "null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outside := t.TempDir()
			dir := filepath.Join(outside, "in")
			secret := filepath.Join(outside, "secret")
			for _, err := range []error{
				os.Mkdir(dir, 0o755), os.WriteFile(secret, []byte("secret"), 0o600),
				os.Symlink("..", filepath.Join(dir, "planted")), os.Symlink("../secret", filepath.Join(dir, "victim")),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for i := range tt.headers {
				tt.headers[i].Linkname = strings.ReplaceAll(tt.headers[i].Linkname, "OUTSIDE", outside)
			}
			err := Unpack(archive(t, tt.headers...), dir)
			var bad *ArchiveError
			if errors.As(err, &bad) != tt.bad {
				t.Errorf("got %v", err)
			}
			entries, _ := os.ReadDir(outside)
			content, _ := os.ReadFile(secret)
			if len(entries) != 2 || string(content) != "secret" {
				t.Errorf("outside are %v, and the secret is %q", entries, content)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "h")); err == nil {
				t.Errorf("the secret can be read inside: %q", b)
			}
		})
	}
}

func TestATreeComesBackAsItWas(t *testing.T) {
	from := filepath.Join(t.TempDir(), "tree")
	hostile := "a\nb\x1b[31m\xff" + strings.Repeat("n", 200)
	for _, err := range []error{
		os.MkdirAll(filepath.Join(from, "d", "empty"), 0o750),
		os.WriteFile(filepath.Join(from, "d", "run"), []byte("#!/bin/sh\n"), 0o755),
		os.WriteFile(filepath.Join(from, hostile), []byte("content"), 0o600),
		os.Symlink("d/run", filepath.Join(from, "link")), os.Symlink("/nowhere", filepath.Join(from, "broken")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sparse, err := os.Create(filepath.Join(from, "sparse"))
	if err != nil || sparse.Truncate(64<<20) != nil || sparse.Close() != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(Pack(w, from, "tree")) }()
	to := t.TempDir()
	if err := Unpack(r, to); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{
		"tree/d": os.ModeDir | 0o750, "tree/d/empty": os.ModeDir | 0o750, "tree/d/run": 0o755, "tree/" + hostile: 0o600, "tree/sparse": 0o644,
	} {
		was, err1 := os.Lstat(filepath.Join(from, strings.TrimPrefix(name, "tree/")))
		is, err2 := os.Lstat(filepath.Join(to, name))
		if err1 != nil || err2 != nil || is.Mode() != mode || is.ModTime().Unix() != was.ModTime().Unix() || !is.IsDir() && is.Size() != was.Size() {
			t.Errorf("%q is %v (%v), was %v (%v)", name, is, err2, was, err1)
		}
	}
	if target, err := os.Readlink(filepath.Join(to, "tree", "link")); err != nil || target != "d/run" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
}

func TestASparseFileTakesNoMoreRoomThanItsContent(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	const size = 1<<29 + 12345
	f, err := os.Create(filepath.Join(from, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for at, text := range map[int64]string{0: "begin", 300_000_001: "middle", size - 3: "end"} {
		if _, err := f.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(Pack(w, from, ".")) }()
	if err := Unpack(r, to); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(to, "f"), &st); err != nil || st.Size != size || st.Blocks*512 > 1<<20 {
		t.Errorf("%d bytes in %d blocks, %v", st.Size, st.Blocks, err)
	}
	g, err := os.Open(filepath.Join(to, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	_, _ = f.Seek(0, io.SeekStart)
	was, is := sha256.New(), sha256.New()
	_, err1 := io.Copy(was, f)
	_, err2 := io.Copy(is, g)
	if err1 != nil || err2 != nil || !bytes.Equal(was.Sum(nil), is.Sum(nil)) {
		t.Errorf("the content is another one: %v, %v", err1, err2)
	}
}

func TestAnArchiveThatBreaksOffLeavesTheOldFile(t *testing.T) {
	whole := archive(t, file("f", strings.Repeat("new", 1000))).Bytes()
	for _, cut := range []int{100, 512, 1000, 3000} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Unpack(bytes.NewReader(whole[:cut]), dir); err == nil {
			t.Errorf("cut after %d bytes it was taken", cut)
		}
		if b, _ := os.ReadFile(filepath.Join(dir, "f")); string(b) != "old" {
			t.Errorf("cut after %d bytes the file holds %d bytes", cut, len(b))
		}
	}
}

func TestAFileIsReplacedInOneStep(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	old, err := os.Open(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := Unpack(archive(t, file("f", "new")), dir); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(old); string(b) != "old" {
		t.Errorf("a reader of the old file sees %q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "f")); string(b) != "new" {
		t.Errorf("the file holds %q", b)
	}
}

func FuzzUnpackStaysInside(f *testing.F) {
	f.Add(archive(f, file("a/b", "x"), link("l", "..")).Bytes())
	f.Add(archive(f, link("l", ".."), file("l/evil", "x")).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		outside := t.TempDir()
		dir := filepath.Join(outside, "in")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = Unpack(bytes.NewReader(data), dir)
		if entries, _ := os.ReadDir(outside); len(entries) != 1 {
			t.Fatalf("outside are %v", entries)
		}
	})
}
