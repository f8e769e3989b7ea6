package serve

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// followEvery is how often a report is made for who follows. Nobody follows, nothing is
// looked at.
const followEvery = time.Second

// report answers what there is to see; with ?follow=1 again after each change.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	last := s.now()
	if r.URL.Query().Get("follow") == "" {
		answer(w, last)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if lines.Encode(last) != nil || flush.Flush() != nil {
			return
		}
		for told := last; !differs(told, last); last = s.now() {
			select {
			case <-tick.C:
			case <-r.Context().Done():
				return
			}
		}
	}
}

// quietCPU is the share of one processor below which a workspace counts as unused: the
// agent's own looking is not to be taken for work.
const quietCPU = 0.01

// differs says whether a follower who was told a is to be told b: at once of what has
// changed, and once in a while that something goes on.
func differs(a, b agentapi.Report) bool {
	if !reflect.DeepEqual(plain(a), plain(b)) {
		return true
	}
	span := b.Time.Sub(a.Time)
	return span >= agentapi.TellEvery && (b.CPU-a.CPU > quietCPU*span.Seconds() || !reflect.DeepEqual(used(a), used(b)))
}

// plain is a report without times and without what moves all the time.
func plain(r agentapi.Report) agentapi.Report {
	terminals := make([]agentapi.Terminal, len(r.Terminals))
	for i, t := range r.Terminals {
		terminals[i] = agentapi.Terminal{Name: t.Name, Viewers: t.Viewers, Writers: t.Writers, Foreground: t.Foreground}
	}
	jobs := make([]agentapi.Tty, len(r.Ttys))
	for i, t := range r.Ttys {
		jobs[i] = agentapi.Tty{Name: t.Name, Terminal: t.Terminal, Foreground: t.Foreground, Interactive: t.Interactive}
	}
	return agentapi.Report{Command: r.Command, Ports: r.Ports, Terminals: terminals, Ttys: jobs}
}

// used is when each terminal was last used.
func used(r agentapi.Report) (times []int64) {
	for _, t := range r.Terminals {
		times = append(times, t.LastInput.UnixNano(), t.LastOutput.UnixNano())
	}
	for _, t := range r.Ttys {
		times = append(times, t.LastInput.UnixNano(), t.LastOutput.UnixNano())
	}
	return times
}

func (s *Server) now() agentapi.Report {
	s.mu.Lock()
	execs := 0
	for _, ssh := range s.execs {
		if !ssh {
			execs++
		}
	}
	s.mu.Unlock()
	r := agentapi.Report{Time: time.Now(), Ports: s.ports.list(), Terminals: s.terminals.list(), CPU: cpuSeconds(), Processes: processes()}
	r.Ttys = ttys(r.Terminals)
	r.Execs = max(0, execs-len(r.Terminals))
	if s.o.Command != nil {
		r.Command = s.o.Command()
	}
	return r
}

// processes counts them, without the agent itself.
func processes() int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	return max(0, len(dirs)-1)
}

// cpuSeconds is what the workspace has used, as its cgroup says (v2, else v1).
func cpuSeconds() float64 {
	if b, err := os.ReadFile("/sys/fs/cgroup/cpu.stat"); err == nil {
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
				n, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
				return n / 1e6
			}
		}
	}
	b, err := os.ReadFile("/sys/fs/cgroup/cpuacct/cpuacct.usage")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
	return n / 1e9
}
