package applet

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"

	"golang.org/x/sys/unix"
)

// sizeText is n bytes as -h or in kibibytes.
func sizeText(o options, n int64) string {
	if o.has("h") {
		return humanSize(n)
	}
	if o.has("b") {
		return fmt.Sprint(n)
	}
	return fmt.Sprint((n + 1023) / 1024)
}

type usageCounter struct {
	s      Streams
	o      options
	depth  int
	seen   map[[2]uint64]bool // files with several links count once
	status int
}

// du counts the blocks that files take on disk.
func du(s Streams, args []string) int {
	o := parse(s, args, "shkacbxd:", map[string]string{"summarize": "s", "human-readable": "h", "all": "a", "total": "c", "max-depth": "d"})
	depth, err := o.number("d", 1<<30)
	if o.failed || err != nil {
		return usage(s, "du [-shkac] [-d DEPTH] [FILE]...")
	}
	if o.has("s") {
		depth = 0
	}
	d := &usageCounter{s: s, o: o, depth: depth, seen: map[[2]uint64]bool{}}
	paths := o.rest
	if len(paths) == 0 {
		paths = []string{"."}
	}
	total := int64(0)
	for _, p := range paths {
		total += d.walk(p, 0)
	}
	if o.has("c") {
		fmt.Fprintf(s.Out, "%s\ttotal\n", sizeText(o, total))
	}
	return d.status
}

func (d *usageCounter) walk(path string, depth int) int64 {
	info, err := os.Lstat(path)
	if err != nil {
		d.status = fail(d.s, "du", "%s: %v", path, why(err))
		return 0
	}
	sum := d.own(info)
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			d.status = fail(d.s, "du", "%s: %v", path, why(err))
		}
		for _, e := range entries {
			sum += d.walk(strings.TrimSuffix(path, "/")+"/"+e.Name(), depth+1)
		}
	}
	if depth <= d.depth && (info.IsDir() || d.o.has("a") || depth == 0) {
		fmt.Fprintf(d.s.Out, "%s\t%s\n", sizeText(d.o, sum), path)
	}
	return sum
}

func (d *usageCounter) own(info fs.FileInfo) int64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Size()
	}
	if st.Nlink > 1 && !info.IsDir() {
		key := [2]uint64{uint64(st.Dev), st.Ino}
		if d.seen[key] {
			return 0
		}
		d.seen[key] = true
	}
	if d.o.has("b") {
		return info.Size()
	}
	return st.Blocks * 512
}

// df shows the file systems of the named files, or all that hold something.
func df(s Streams, args []string) int {
	o := parse(s, args, "hkTPa", map[string]string{"human-readable": "h"})
	if o.failed {
		return usage(s, "df [-h] [FILE]...")
	}
	paths := o.rest
	if len(paths) == 0 {
		paths = mountPoints()
	}
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "1K-blocks"
	if o.has("h") {
		head = "Size"
	}
	fmt.Fprintf(w, "%s\tUsed\tAvailable\tUse%%\t  Mounted on\n", head)
	status := 0
	for _, p := range paths {
		var st unix.Statfs_t
		if err := unix.Statfs(p, &st); err != nil {
			status = fail(s, "df", "%s: %v", p, err)
			continue
		}
		if len(o.rest) == 0 && st.Blocks == 0 {
			continue // proc and its like
		}
		size := int64(st.Blocks) * st.Bsize
		used, free := size-int64(st.Bfree)*st.Bsize, int64(st.Bavail)*st.Bsize
		percent := int64(0)
		if used+free > 0 {
			percent = (used*100 + used + free - 1) / (used + free)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d%%\t  %s\n", sizeText(o, size), sizeText(o, used), sizeText(o, free), percent, p)
	}
	if err := w.Flush(); err != nil {
		return fail(s, "df", "%v", err)
	}
	return status
}

// mountPoints reads /proc/mounts, where a space in a path is written \040 (proc(5)).
func mountPoints() []string {
	data, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return []string{"/"}
	}
	var points []string
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || seen[fields[1]] {
			continue
		}
		seen[fields[1]] = true
		points = append(points, strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`).Replace(fields[1]))
	}
	return points
}
