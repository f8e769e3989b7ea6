package serve

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// Bounds of a look at the pseudo-terminals.
const (
	maxTtys = 64 // that a report names
	maxJob  = 16 // processes of one job that are asked what they wait for
)

const pts = "/dev/pts/"

// userHZ is the unit of start times in /proc (proc(5)): the same on every machine that
// the agent is built for.
const userHZ = 100

// ttys looks at every pseudo-terminal, whoever opened it: connections of ssh, panes of a
// terminal multiplexer, what the container engine's own tools have started. A terminal on
// which nothing runs is left out.
func ttys(own []agentapi.Terminal) []agentapi.Tty {
	numbers := terminalNumbers()
	if len(numbers) == 0 {
		return nil
	}
	byDevice := map[int][]task{}
	for _, t := range tasks() {
		if t.tty != 0 {
			byDevice[t.tty] = append(byDevice[t.tty], t)
		}
	}
	var out []agentapi.Tty
	for _, n := range numbers {
		var st unix.Stat_t
		if unix.Stat(pts+strconv.Itoa(n), &st) != nil {
			continue // closed meanwhile
		}
		if on := byDevice[int(st.Rdev)]; len(on) > 0 { //nolint:gosec // 32 bits on Linux
			out = append(out, look(n, st, on, own))
		}
		if len(out) == maxTtys {
			break
		}
	}
	return out
}

// look is what there is to say of terminal n, on which the tasks on run.
func look(n int, st unix.Stat_t, on []task, own []agentapi.Terminal) agentapi.Tty {
	out := agentapi.Tty{Name: "pts/" + strconv.Itoa(n)}
	// The kernel counts in steps of eight seconds here, so that nobody learns when which
	// key was pressed. Both are the time of the device's birth until there is something.
	if st.Atim != st.Ctim {
		out.LastInput = time.Unix(st.Atim.Unix())
	}
	if st.Mtim != st.Ctim {
		out.LastOutput = time.Unix(st.Mtim.Unix())
	}
	i := slices.IndexFunc(own, func(t agentapi.Terminal) bool { return t.PID == on[0].session })
	if i >= 0 {
		out.Terminal = own[i].Name
	}
	group := on[0].foreground
	job := slices.DeleteFunc(slices.Clone(on), func(t task) bool { return t.group != group })
	if len(job) == 0 {
		return out
	}
	first := slices.MinFunc(job, func(a, b task) int { return cmp.Compare(a.pid, b.pid) })
	out.ForegroundSince = first.started
	out.Interactive = awaitsKeys(n) || slices.ContainsFunc(job[:min(len(job), maxJob)], func(t task) bool { return t.reads(n) })
	if !out.Interactive || group != first.session {
		out.Foreground = first.name
	}
	return out
}

// terminalNumbers lists the pseudo-terminals, in order.
func terminalNumbers() []int {
	entries, _ := os.ReadDir(pts)
	var out []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// awaitsKeys reports whether terminal n hands on each key as it is pressed: what asked for
// that, be it a shell's line, an editor or a menu, is there for a person.
func awaitsKeys(n int) bool {
	// Without O_NOCTTY it could become process 1's own.
	fd, err := unix.Open(pts+strconv.Itoa(n), unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // another user's
	}
	defer func() { _ = unix.Close(fd) }()
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil && mode.Lflag&unix.ICANON == 0
}

// task is a process as /proc/PID/stat tells of it.
type task struct {
	pid, group, session int
	tty, foreground     int // device and foreground group of its terminal
	name                string
	started             time.Time
}

// tasks returns every process that has a terminal or not; what cannot be read is left out.
func tasks() []task {
	dirs, _ := filepath.Glob("/proc/[0-9]*/stat")
	var up unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &up)
	boot := time.Now().Add(-time.Duration(up.Nano()))
	out := make([]task, 0, len(dirs))
	for _, file := range dirs {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if t, ok := parseTask(string(b), boot); ok {
			out = append(out, t)
		}
	}
	return out
}

// parseTask reads a line of /proc/PID/stat. The name in it may hold anything but is within
// the last parentheses.
func parseTask(line string, boot time.Time) (task, bool) {
	head, rest, ok := cutLast(line, ") ")
	pid, name, named := strings.Cut(head, " (")
	fields := strings.Fields(rest)
	if !ok || !named || len(fields) < 20 {
		return task{}, false
	}
	t := task{name: strings.ToValidUTF8(name, "\uFFFD")}
	var ticks int64
	for i, into := range map[int]*int{2: &t.group, 3: &t.session, 4: &t.tty, 5: &t.foreground} {
		*into, _ = strconv.Atoi(fields[i])
	}
	t.pid, _ = strconv.Atoi(pid)
	ticks, _ = strconv.ParseInt(fields[19], 10, 64)
	t.started = boot.Add(time.Duration(ticks) * time.Second / userHZ).Round(time.Second / userHZ)
	return t, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// reads reports whether the task is blocked in a read of terminal n, as far as the kernel
// lets this user see it.
func (t task) reads(n int) bool {
	dir := "/proc/" + strconv.Itoa(t.pid)
	b, err := os.ReadFile(dir + "/syscall")
	fields := strings.Fields(string(b)) // number, arguments; or "running"
	if err != nil || len(fields) < 2 || fields[0] != strconv.Itoa(unix.SYS_READ) {
		return false
	}
	fd, err := strconv.ParseUint(fields[1], 0, 32)
	if err != nil {
		return false
	}
	file, err := os.Readlink(dir + "/fd/" + strconv.FormatUint(fd, 10))
	return err == nil && (file == pts+strconv.Itoa(n) || file == "/dev/tty" || file == "/dev/console")
}
