package docker

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"syscall"
	"testing"
	"time"
)

func TestThePauseProgramIsAWholeExecutable(t *testing.T) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(arch, func(t *testing.T) {
			prog, err := pauseProgram(arch)
			if err != nil {
				t.Fatal(err)
			}
			f, err := elf.NewFile(bytes.NewReader(prog))
			if err != nil {
				t.Fatal(err)
			}
			if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_EXEC || f.Machine != machine {
				t.Errorf("header %+v", f.FileHeader)
			}
			if len(f.Progs) != 1 {
				t.Fatalf("%d segments, want 1", len(f.Progs))
			}
			p := f.Progs[0]
			if p.Type != elf.PT_LOAD || p.Flags != elf.PF_R|elf.PF_X || p.Filesz != uint64(len(prog)) || p.Memsz != p.Filesz {
				t.Errorf("segment %+v of %d bytes", p.ProgHeader, len(prog))
			}
			if p.Vaddr%p.Align != p.Off%p.Align || p.Align < 65536 {
				t.Errorf("address %#x and offset %#x do not agree modulo %#x", p.Vaddr, p.Off, p.Align)
			}
			if f.Entry < p.Vaddr || f.Entry >= p.Vaddr+p.Filesz || f.Entry-p.Vaddr != 120 {
				t.Errorf("entry %#x is not the first byte of the code", f.Entry)
			}
			if len(prog) > 200 {
				t.Errorf("%d bytes", len(prog))
			}
		})
	}
	if _, err := pauseProgram("vax"); err == nil {
		t.Error("an unknown architecture gives no error")
	}
}

func TestThePauseProgramSleepsUntilItIsKilled(t *testing.T) {
	prog, err := pauseProgram(goruntime.GOARCH)
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "pause")
	if err := os.WriteFile(path, prog, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	// Stopping and continuing interrupts the system call; the loop goes back to sleep.
	for _, sig := range []os.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended by itself: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if use := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); use > 50*time.Millisecond {
		t.Errorf("it used %s of cpu while asleep", use)
	}
}
