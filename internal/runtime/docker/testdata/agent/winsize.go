package main

import (
	"os"
	"syscall"
	"unsafe"
)

func winsize() (rows, cols uint16) {
	var w struct{ rows, cols, x, y uint16 }
	_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, os.Stdin.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&w)))
	return w.rows, w.cols
}
