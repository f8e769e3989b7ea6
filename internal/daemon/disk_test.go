package daemon_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/wstest"
)

// disk is a small file system of the test's own in a file, to be filled, broken and
// cut from its power.
type disk struct {
	t                    *testing.T
	image, dir, settings string
}

// newDisk makes and mounts 8 MiB of ext4. settings are those of mount(8).
func newDisk(t *testing.T, settings string) *disk {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	if os.Getuid() != 0 {
		t.Fatal("a file system of the test's own needs root")
	}
	needs(t, "mkfs.ext4")
	base, err := os.MkdirTemp("", "wsd-disk-")
	if err != nil {
		t.Fatal(err)
	}
	d := &disk{t: t, image: filepath.Join(base, "image"), dir: filepath.Join(base, "disk"), settings: "loop," + settings}
	if err := errors.Join(os.Mkdir(d.dir, 0o700), os.WriteFile(d.image, nil, 0o600), os.Truncate(d.image, 8<<20)); err != nil {
		t.Fatal(err)
	}
	d.run("mkfs.ext4", "-q", "-m", "0", d.image)
	d.mount()
	t.Cleanup(func() {
		_ = exec.Command("umount", "--lazy", d.dir).Run()
		_ = os.RemoveAll(base)
	})
	return d
}

// daemon prepares a wsd whose state is on the disk.
func (d *disk) daemon(env ...string) *wstest.Process {
	d.t.Helper()
	state := filepath.Join(d.dir, "state")
	p := wstest.NewProcess(d.t, append(env, "WSD_DRIVER=memory", "WSD_STATE_DIR="+state)...)
	p.StateDir = state
	return p
}

func (d *disk) run(name string, args ...string) {
	d.t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func (d *disk) mount() { d.t.Helper(); d.run("mount", "-o", d.settings, d.image, d.dir) }

// again unmounts the disk, repairs it if asked, and mounts it, as a reboot would.
func (d *disk) again(repair bool) {
	d.t.Helper()
	system := d.system()
	d.run("umount", d.dir)
	// Another program may have got a copy of all mounts for a moment; until it is gone
	// the next mount would be of the file system as it still is in memory.
	wstest.Until(d.t, 30*time.Second, "the file system has ended", func(context.Context) bool {
		_, err := os.Stat(system)
		return errors.Is(err, os.ErrNotExist)
	})
	if repair {
		out, err := exec.Command("e2fsck", "-fy", d.image).CombinedOutput()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) { // 1: repaired (e2fsck(8))
			d.t.Fatalf("e2fsck: %v: %s", err, out)
		}
	}
	d.mount()
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes every block that is left.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(d.ballast())
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{64 << 10, 1 << 10} {
		for err = error(nil); err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatalf("the disk cannot be filled: %v", err)
		}
	}
	if err := f.Sync(); err != nil {
		d.t.Fatal(err)
	}
}

// free gives back what fill took.
func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil {
		d.t.Fatal(err)
	}
}

// fail makes the kernel believe that it has found an error, after which nothing is
// written any more (mount option errors=remount-ro).
func (d *disk) fail() {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.system(), "trigger_fs_error"), []byte("test"), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// system is the folder in which the kernel shows the file system.
func (d *disk) system() string {
	d.t.Helper()
	out, err := exec.Command("findmnt", "--noheadings", "--output", "SOURCE", d.dir).Output()
	if err != nil {
		d.t.Fatalf("findmnt %s: %v", d.dir, err)
	}
	return filepath.Join("/sys/fs/ext4", filepath.Base(strings.TrimSpace(string(out))))
}

// The ioctl that ends a file system at once, and its argument to lose even what the
// journal holds in memory (fs/ext4/ext4.h).
const (
	ext4Shutdown = 0x8004587d
	withoutFlush = 2
)

// cutPower loses everything that was not synced.
func (d *disk) cutPower() {
	d.t.Helper()
	f, err := os.Open(d.dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4Shutdown, withoutFlush); err != nil {
		d.t.Fatalf("the power of the disk cannot be cut: %v", err)
	}
}
