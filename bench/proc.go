package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// residentOf is the memory of a process that is in RAM, in MB (proc_pid_status(5)).
func residentOf(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if n, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil && n == 1 {
			return kb * 1024 / 1e6, nil
		}
	}
	return 0, errors.New("the kernel does not tell the resident memory")
}

// processorShare is the share of a core that a process uses over a time, in percent.
func processorShare(ctx context.Context, pid int, over time.Duration) (float64, error) {
	before, err := processorTime(pid)
	if err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := rest(over)(ctx); err != nil {
		return 0, err
	}
	after, err := processorTime(pid)
	return 100 * float64(after-before) / float64(time.Since(begun)), err
}

// processorTime is how long a process has run, in user and system mode (proc_pid_stat(5),
// fields 14 and 15). The kernel counts in hundredths of a second.
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:]) // from field 3 on
	if len(fields) < 13 {
		return 0, errors.New("the kernel does not tell the time of a process")
	}
	user, err1 := strconv.ParseInt(string(fields[11]), 10, 64)
	system, err2 := strconv.ParseInt(string(fields[12]), 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}
