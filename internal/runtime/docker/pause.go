package docker

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// pauseProgram returns a static ELF program that sleeps for ever, for a GOARCH. It
// is all that a sandbox runs: one page of code, no libraries, no heap. It handles
// no signal, and as process 1 ignores those it does not handle, so it is ended
// with SIGKILL.
func pauseProgram(arch string) ([]byte, error) {
	switch arch {
	case "amd64":
		return elf64(62 /* EM_X86_64 */, []byte{
			0xb8, 0x22, 0x00, 0x00, 0x00, // loop: mov eax, 34   pause(2)
			0x0f, 0x05, //                         syscall
			0xeb, 0xf7, //                         jmp loop      9 bytes back
		}), nil
	case "arm64": // has no pause(2): ppoll(NULL, 0, NULL, NULL, 0) never returns either
		return elf64(183 /* EM_AARCH64 */, words(
			0xd2800000, // loop: mov x0, #0
			0xd2800001, //       mov x1, #0
			0xd2800002, //       mov x2, #0
			0xd2800003, //       mov x3, #0
			0xd2800004, //       mov x4, #0
			0xd2800928, //       mov x8, #73   ppoll(2)
			0xd4000001, //       svc #0
			0x17fffff9, //       b loop        7 instructions back
		)), nil
	}
	return nil, fmt.Errorf("cannot make the sandbox program: no code for architecture %q", arch)
}

func words(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// elf64 wraps code into a little-endian 64-bit executable with one segment that
// is read and executed, never written (System V ABI, chapter 4 and 5).
func elf64(machine uint16, code []byte) []byte {
	const (
		headers = 64 + 56   // ELF header and one program header; the code follows
		address = 0x400000  // where the file's first byte is mapped
		align   = 0x10000   // the largest page of any arm64 kernel
		readRun = 0x4 | 0x1 // PF_R | PF_X
	)
	size := uint64(headers + len(code))
	var b bytes.Buffer
	for _, v := range []any{
		[16]byte{0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, 1 /* version */},
		uint16(2 /* ET_EXEC */), machine, uint32(1 /* version */),
		uint64(address + headers) /* entry */, uint64(64) /* program headers */, uint64(0), /* no sections */
		uint32(0) /* flags */, uint16(64), uint16(56), uint16(1) /* sizes, count */, uint16(64), uint16(0), uint16(0),
		uint32(1 /* PT_LOAD */), uint32(readRun), uint64(0), uint64(address), uint64(address), size, size, uint64(align),
		code,
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}
