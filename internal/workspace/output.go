package workspace

import "time"

// LogOptions choose which output is wanted.
type LogOptions struct {
	Follow bool
	Since  time.Time // zero: from the start
	Tail   int       // last lines; < 0: all
}

// LogLine is one line of output, without its newline, at most 16 KiB long;
// longer lines come in pieces.
type LogLine struct {
	Time   time.Time `json:"time"`
	Stream string    `json:"stream" doc:"stdout or stderr"`
	Text   string    `json:"text"`
}

// Usage is one sample of what a workspace uses. Counters only grow while it runs: what is
// used is the difference of two samples of one run.
type Usage struct {
	Time        time.Time `json:"time"`
	CPUSeconds  float64   `json:"cpu_seconds" doc:"Used since the start of the run"`
	Memory      int64     `json:"memory" doc:"Bytes in use, without the page cache where the kernel tells"`
	MemoryPeak  int64     `json:"memory_peak,omitempty" doc:"Bytes; absent when the engine cannot tell"`
	MemoryLimit int64     `json:"memory_limit" doc:"Bytes"`
	Pids        int64     `json:"pids"`
	Network     *Traffic  `json:"network,omitempty" doc:"In: received, out: sent, by all interfaces but the loopback one; absent when the engine cannot tell"`
	Disk        *Traffic  `json:"disk,omitempty" doc:"In: read, out: written, from and to block devices; absent when the engine cannot tell"`
}

// Traffic counts bytes of one run. A network may outlive a run, and its count with it.
type Traffic struct {
	In  int64 `json:"in" doc:"Bytes"`
	Out int64 `json:"out" doc:"Bytes"`
}
