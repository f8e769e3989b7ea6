package docker

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// cgroups remembers where a container's numbers are. The zero value is ready.
type cgroups struct {
	mu sync.Mutex
	m  map[runtime.Ref]cgroup
}

func (c *cgroups) get(r runtime.Ref) (cgroup, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.m[r]
	return g, ok
}

func (c *cgroups) set(r runtime.Ref, g cgroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[runtime.Ref]cgroup{}
	}
	c.m[r] = g
}

func (c *cgroups) forget(r runtime.Ref) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, r)
}

func (c *cgroups) forgetWorkspace(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.m, func(r runtime.Ref, _ cgroup) bool { return r.Workspace == id })
}

// cgroup names the folders of one container: one for each controller in version 1,
// the same for all in version 2.
type cgroup struct {
	unified           bool
	cpu, memory, pids string
	disk              string // "": not counted
	process           string // folder of the first process in proc(5)
	container         string // its id
}

// findCgroup finds the folders of process pid, which must belong to container id.
func findCgroup(proc string, pid int, id string) (cgroup, error) {
	own, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return cgroup{}, err
	}
	mounts, err := os.ReadFile(filepath.Join(proc, "self", "mountinfo"))
	if err != nil {
		return cgroup{}, err
	}
	g, err := locateCgroup(string(own), string(mounts), id)
	g.process, g.container = filepath.Join(proc, strconv.Itoa(pid)), id
	return g, err
}

// current reports whether the run that was found still goes on: a container that was started
// again has the same folders and another first process.
func (g cgroup) current() bool {
	own, err := os.ReadFile(filepath.Join(g.process, "cgroup"))
	return err == nil && strings.Contains(string(own), g.container)
}

// locateCgroup joins /proc/PID/cgroup (cgroups(7): id:controllers:path) with the
// mount points of /proc/self/mountinfo (proc(5)).
func locateCgroup(own, mountinfo, id string) (cgroup, error) {
	points := cgroupMounts(mountinfo)
	var g cgroup
	for line := range strings.Lines(own) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !strings.Contains(f[2], id) {
			continue
		}
		for _, c := range strings.Split(f[1], ",") {
			dir := filepath.Join(points[c], f[2])
			switch {
			case points[c] == "":
			case c == "cpuacct":
				g.cpu = dir
			case c == "memory":
				g.memory = dir
			case c == "pids":
				g.pids = dir
			case c == "blkio":
				g.disk = dir
			case c == "" && g == (cgroup{}): // version 2, unless a version 1 hierarchy counts
				g = cgroup{unified: true, cpu: dir, memory: dir, pids: dir, disk: dir}
			}
		}
		if f[1] != "" && g.unified {
			g = cgroup{}
		}
	}
	if g.cpu == "" || g.memory == "" || g.pids == "" {
		return cgroup{}, fmt.Errorf("cannot find the cgroup of container %.12s", id)
	}
	return g, nil
}

// cgroupMounts maps a controller to its mount point; "" to that of version 2.
func cgroupMounts(mountinfo string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(mountinfo) {
		head, tail, ok := strings.Cut(strings.TrimSpace(line), " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if !ok || len(h) < 5 || len(t) < 3 || h[3] != "/" { // h[3]: only whole hierarchies can be walked
			continue
		}
		switch t[0] {
		case "cgroup2":
			out[""] = h[4]
		case "cgroup":
			for _, c := range strings.Split(t[2], ",") {
				out[c] = h[4]
			}
		}
	}
	return out
}

// usage reads one sample. Where the folders are gone, so is the run.
func (g cgroup) usage(now time.Time) (workspace.Usage, error) {
	read := g.usage1
	if g.unified {
		read = g.usage2
	}
	u, err := read(now)
	if err != nil {
		return u, err
	}
	if b, err := os.ReadFile(filepath.Join(g.process, "net", "dev")); err == nil {
		u.Network = interfaces(string(b))
	}
	return u, nil
}

func (g cgroup) usage1(now time.Time) (workspace.Usage, error) {
	cpu, err1 := readNumber(g.cpu, "cpuacct.usage")
	mem, err2 := readNumber(g.memory, "memory.usage_in_bytes")
	limit, err3 := readNumber(g.memory, "memory.limit_in_bytes")
	pids, err4 := readNumber(g.pids, "pids.current")
	stat, err5 := readStat(g.memory, "memory.stat")
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return workspace.Usage{}, err
		}
	}
	peak, _ := readNumber(g.memory, "memory.max_usage_in_bytes")
	return workspace.Usage{
		Time: now, CPUSeconds: float64(cpu) / 1e9, Memory: max(0, mem-stat["total_inactive_file"]),
		MemoryPeak: peak, MemoryLimit: limit, Pids: pids, Disk: g.blkio(),
	}, nil
}

func (g cgroup) usage2(now time.Time) (workspace.Usage, error) {
	cpu, err1 := readStat(g.cpu, "cpu.stat")
	mem, err2 := readNumber(g.memory, "memory.current")
	pids, err3 := readNumber(g.pids, "pids.current")
	stat, err4 := readStat(g.memory, "memory.stat")
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			return workspace.Usage{}, err
		}
	}
	limit, _ := readNumber(g.memory, "memory.max") // "max" without a limit
	peak, _ := readNumber(g.memory, "memory.peak") // Linux 5.19
	return workspace.Usage{
		Time: now, CPUSeconds: float64(cpu["usage_usec"]) / 1e6, Memory: max(0, mem-stat["inactive_file"]),
		MemoryPeak: peak, MemoryLimit: limit, Pids: pids, Disk: g.io(),
	}, nil
}

// blkio reads lines of a device, a word and a number (Linux, blkio-controller.rst).
func (g cgroup) blkio() *workspace.Traffic {
	b, err := os.ReadFile(filepath.Join(g.disk, "blkio.throttle.io_service_bytes"))
	if g.disk == "" || err != nil {
		return nil
	}
	var t workspace.Traffic
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 { // the total has two
			count(&t, f[1], "Read", "Write", f[2])
		}
	}
	return &t
}

// io reads lines of a device and words with numbers (Linux, cgroup-v2.rst). Without the
// controller there is no such file.
func (g cgroup) io() *workspace.Traffic {
	b, err := os.ReadFile(filepath.Join(g.disk, "io.stat"))
	if g.disk == "" || err != nil {
		return nil
	}
	var t workspace.Traffic
	for line := range strings.Lines(string(b)) {
		for _, word := range strings.Fields(line) {
			if k, v, ok := strings.Cut(word, "="); ok {
				count(&t, k, "rbytes", "wbytes", v)
			}
		}
	}
	return &t
}

// count adds a number to that side of t which is named.
func count(t *workspace.Traffic, name, in, out, number string) {
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
	case name == in:
		t.In += n
	case name == out:
		t.Out += n
	}
}

// interfaces sums /proc/PID/net/dev (proc_net(5)): a name, eight numbers of what was
// received, bytes first, and as many of what was sent. nil: it is not of this form.
func interfaces(dev string) *workspace.Traffic {
	var t *workspace.Traffic
	for line := range strings.Lines(dev) {
		name, numbers, ok := strings.Cut(line, ":")
		f := strings.Fields(numbers)
		if !ok || len(f) < 9 {
			continue // the headings
		}
		if t == nil {
			t = &workspace.Traffic{}
		}
		if strings.TrimSpace(name) != "lo" {
			count(t, "in", "in", "out", f[0])
			count(t, "out", "in", "out", f[8])
		}
	}
	return t
}

func readNumber(dir, name string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}

// readStat reads lines of a word and a number.
func readStat(dir, name string) (map[string]int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			if n, err := strconv.ParseInt(v, 10, 64); err == nil {
				out[k] = n
			}
		}
	}
	return out, nil
}
