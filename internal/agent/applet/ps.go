package applet

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
)

// process is what proc(5) says of a process.
type process struct {
	pid, ppid int
	uid       string
	state     string
	rssKiB    int64
	ticks     int64 // of 10 ms, user and system together
	command   string
}

// ps lists the processes that /proc shows, which are those of the workspace. Options of
// the usual dialects are accepted; the columns are always the same.
func ps(s Streams, args []string) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return fail(s, "ps", "cannot read /proc: %v", why(err))
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProcess(pid); ok {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b process) int { return a.pid - b.pid })
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PID\tPPID\tUSER\tSTAT\tRSS\tTIME\tCOMMAND")
	for _, p := range all {
		name := userName(p.uid)
		if name == "" {
			name = p.uid
		}
		seconds := p.ticks / 100
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%d:%02d\t%s\n", p.pid, p.ppid, name, p.state, humanSize(p.rssKiB*1024), seconds/60, seconds%60, p.command)
	}
	if err := w.Flush(); err != nil {
		return fail(s, "ps", "%v", err)
	}
	return 0
}

// readProcess reads one process; ok is false where it has ended meanwhile.
func readProcess(pid int) (p process, ok bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return p, false
	}
	name, fields, ok := parseStat(string(stat))
	if !ok {
		return p, false
	}
	p = process{pid: pid, state: fields[0], ticks: number(fields[11]) + number(fields[12])}
	p.ppid = int(number(fields[1]))
	p.rssKiB = number(fields[21]) * int64(os.Getpagesize()/1024)
	p.uid = ownerOf(dir + "status")
	cmdline, _ := os.ReadFile(dir + "cmdline") // a zombie has none
	p.command = printableCommand(cmdline)
	if p.command == "" {
		p.command = "[" + printableCommand([]byte(name)) + "]"
	}
	return p, true
}

// parseStat splits the line of /proc/PID/stat: the name is in parentheses and may hold
// any character, so the last ")" ends it. fields[0] is the state (field 3 of proc(5)).
func parseStat(line string) (name string, fields []string, ok bool) {
	first, last := strings.IndexByte(line, '('), strings.LastIndexByte(line, ')')
	if first < 0 || last < first {
		return "", nil, false
	}
	fields = strings.Fields(line[last+1:])
	return line[first+1 : last], fields, len(fields) >= 22
}

func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func ownerOf(statusFile string) string {
	data, err := os.ReadFile(statusFile)
	if err != nil {
		return "?"
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Uid:" {
			return fields[1]
		}
	}
	return "?"
}

func printableCommand(cmdline []byte) string {
	text := string(bytes.ReplaceAll(bytes.TrimRight(cmdline, "\x00"), []byte{0}, []byte{' '}))
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}
