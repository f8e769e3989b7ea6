package tree

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
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

func TestUnpackOnlyWritesWhatWasAskedFor(t *testing.T) {
	folder := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755} }
	hard := func(name, to string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: to} }
	tests := []struct {
		name    string
		headers []tar.Header
		good    bool
	}{
		{"a file", []tar.Header{file("d", "x")}, true},
		{"a link", []tar.Header{link("d", "..")}, true},
		{"a folder", []tar.Header{folder("d"), file("d/a", "x"), hard("d/b/c", "d/a"), link("d/l", "../bystander")}, true},
		{"nothing", nil, false},
		{"another file", []tar.Header{file("bystander", "evil")}, false},
		{"another file after it", []tar.Header{file("d", "x"), file("bystander", "evil")}, false},
		{"another file after a folder", []tar.Header{folder("d"), file("bystander", "evil")}, false},
		{"a name that begins alike", []tar.Header{folder("d"), file("dd", "evil")}, false},
		{"dots out of the folder", []tar.Header{folder("d"), file("d/../bystander", "evil")}, false},
		{"no folder around it", []tar.Header{file("d/a", "x")}, false},
		{"a link in place of the folder", []tar.Header{link("d", "."), file("d/bystander", "evil")}, false},
		{"a link in the folder", []tar.Header{folder("d"), link("d/l", ".."), file("d/l/bystander", "evil")}, false},
		{"a link that becomes the folder", []tar.Header{folder("d"), link("d", "."), file("d/bystander", "evil")}, false},
		{"the bystander by a hard link", []tar.Header{hard("d", "bystander")}, false},
		{"the bystander by a hard link in the folder", []tar.Header{folder("d"), hard("d/h", "bystander")}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			bystander := filepath.Join(dir, "bystander")
			if err := os.WriteFile(bystander, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := UnpackOnly(archive(t, tt.headers...), dir, "d"); (err == nil) != tt.good {
				t.Errorf("got %v", err)
			}
			if b, err := os.ReadFile(bystander); err != nil || string(b) != "mine" {
				t.Errorf("what is beside it holds %q, %v", b, err)
			}
			entries, _ := os.ReadDir(dir)
			for _, e := range entries {
				if e.Name() != "bystander" && e.Name() != "d" {
					t.Errorf("there is %q", e.Name())
				}
			}
		})
	}
}

func TestAFolderThatIsALinkHereIsNotFilled(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{os.Mkdir(filepath.Join(dir, "mine"), 0o755), os.Symlink("mine", filepath.Join(dir, "d"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	headers := []tar.Header{{Name: "d", Typeflag: tar.TypeDir, Mode: 0o755}, file("d/a", "x")}
	if err := UnpackOnly(archive(t, headers...), dir, "d"); err == nil {
		t.Error("it was taken")
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "mine")); len(entries) > 0 {
		t.Errorf("there are %v", entries)
	}
}

// A file is written under another name first, which must be nobody's.
func TestNoNameIsLostToAnother(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	names := []string{".tmp-x", "x", "x.tmp", ".x"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := errors.Join(Pack(&b, from, "."), Unpack(&b, to)); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if content, err := os.ReadFile(filepath.Join(to, name)); err != nil || string(content) != name {
			t.Errorf("%s holds %q, %v", name, content, err)
		}
	}
}

// Each of two archives that bring the same file at the same time brings all of it.
func TestAFileOfTwoArchivesIsOneOfThem(t *testing.T) {
	dir := t.TempDir()
	first := archive(t, file("f", strings.Repeat("1", 4000))).Bytes()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Unpack(r, dir)
		_ = r.CloseWithError(err)
		done <- err
	}()
	if _, err := w.Write(first[:1024]); err != nil { // it is in the middle of f
		t.Fatal(err)
	}
	if err := Unpack(archive(t, file("f", strings.Repeat("2", 4000))), dir); err != nil {
		t.Fatal(err)
	}
	_, err := w.Write(first[1024:])
	if err := errors.Join(err, w.Close(), <-done); err != nil {
		t.Errorf("the first one: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); string(b) != strings.Repeat("1", 4000) {
		t.Errorf("it holds %d bytes that begin with %.5q, %v", len(b), b, err)
	}
}

// rawEntry is an entry that the writer of archive/tar does not make.
func rawEntry(name string, kind byte, content string) []byte {
	b := make([]byte, 512+(len(content)+511)/512*512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x00")
	copy(b[124:], fmt.Sprintf("%011o\x00%011o\x00        %c", len(content), 0, kind)) // size, time, sum, kind
	copy(b[257:], "ustar\x0000")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	copy(b[512:], content)
	return b
}

// A header of a few bytes can say that a file is longer than any disk.
func TestAFileWithoutItsHolesIsRefused(t *testing.T) {
	var b bytes.Buffer
	size, text := int64(1)<<60, "1\n0\n1\n"
	record := func(k, v string) string {
		line := " " + k + "=" + v + "\n"
		n := len(line)
		for len(strconv.Itoa(n))+len(line) != n {
			n = len(strconv.Itoa(n)) + len(line)
		}
		return strconv.Itoa(n) + line
	}
	records := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.realsize", strconv.FormatInt(size, 10))
	b.Write(rawEntry("pax", tar.TypeXHeader, records))
	b.Write(rawEntry("bomb", tar.TypeReg, text+strings.Repeat("\x00", 512-len(text))))
	b.Write(make([]byte, 1024))
	if h, err := tar.NewReader(bytes.NewReader(b.Bytes())).Next(); err != nil || h.Size != size {
		t.Fatalf("the archive is no example: %+v, %v", h, err)
	}
	var bad *ArchiveError
	if err := Unpack(&b, t.TempDir()); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

// meddler changes the files while they are packed: once, when it sees word.
type meddler struct {
	bytes.Buffer
	word   string
	change func()
}

func (m *meddler) Write(p []byte) (int, error) {
	if m.change != nil && bytes.Contains(p, []byte(m.word)) {
		m.change()
		m.change = nil
	}
	return m.Buffer.Write(p)
}

func TestALinkThatComesWhileItIsPackedLeadsNowhere(t *testing.T) {
	outside, from := t.TempDir(), t.TempDir()
	folder := filepath.Join(from, "folder")
	for _, err := range []error{
		os.WriteFile(filepath.Join(outside, "key"), []byte("secret"), 0o600), os.Mkdir(folder, 0o755),
		os.WriteFile(filepath.Join(folder, "key"), []byte("public"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	m := &meddler{word: "folder/", change: func() {
		if err := errors.Join(os.Rename(folder, folder+".old"), os.Symlink(outside, folder)); err != nil {
			t.Error(err)
		}
	}}
	err := Pack(m, from, "top")
	if m.change != nil {
		t.Fatal("nothing was changed")
	}
	if bytes.Contains(m.Bytes(), []byte("secret")) {
		t.Errorf("what is outside was packed (%v)", err)
	}
}

func TestWhatIsNoFileIsNotPackedSilently(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err1, err2 := Pack(io.Discard, pipe, "pipe"), Readable(pipe); err1 == nil || err2 == nil {
		t.Errorf("a pipe: %v, %v", err1, err2)
	}
	if err := errors.Join(Pack(io.Discard, dir, "dir"), Readable(dir)); err != nil {
		t.Errorf("a folder with a pipe: %v", err)
	}
}
