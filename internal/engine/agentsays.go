package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Bounds of what is believed of a report.
const (
	followedPorts = 256
	freshRun      = 5 * time.Second // what listens in a run that is younger has been opened by it
)

// told takes one report. Its error is that nothing can be recorded now: the report comes
// again with the next connection.
func (f *follower) told(ctx context.Context, r agentapi.Report) error {
	f.tellPorts(r)
	return f.commandSays(ctx, r.Command)
}

// commandSays notes that the command ends soon after each start, or does not any more.
func (f *follower) commandSays(ctx context.Context, c agentapi.Command) error {
	if !c.CrashLoop {
		return f.clear(ctx, workspace.CrashLoop)
	}
	death := &workspace.Death{ExitCode: c.Status}
	for _, line := range c.LastLines[max(0, len(c.LastLines)-workspace.DeathLogLines):] {
		if line = printable(line); line != "" {
			death.Log = append(death.Log, clip(line))
		}
	}
	detail := fmt.Sprintf("its command keeps ending soon after its start, the last time with status %d", c.Status)
	if n := len(death.Log); n > 0 {
		detail += ": " + death.Log[n-1]
	}
	return f.note(ctx, workspace.Condition{Type: workspace.CrashLoop, Reason: "ends_early", Detail: detail}, death)
}

// tellPorts signals which ports were opened and closed since the last report. Signals,
// not facts: a workspace can open and close ports as often as it likes. The first report
// of a run that was up already opens nothing.
func (f *follower) tellPorts(r agentapi.Report) {
	w, err := f.engine.row(f.id) // it may have another name by now
	if err != nil {
		return
	}
	r.Ports = r.Ports[:min(len(r.Ports), followedPorts)]
	now := make(map[int]api.Listening, len(r.Ports))
	for _, p := range f.engine.listening(w, r).Ports {
		p.Process, p.Address = printable(p.Process), printable(p.Address)
		now[p.Port] = p
	}
	before := f.ports
	f.ports = now
	if before == nil && time.Since(w.ReadyAt) >= freshRun {
		return
	}
	for _, port := range slices.Sorted(maps.Keys(before)) {
		if _, still := now[port]; !still {
			f.tellPort(event.PortClosed, before[port])
		}
	}
	for _, port := range slices.Sorted(maps.Keys(now)) {
		if _, known := before[port]; !known {
			f.tellPort(event.PortOpened, now[port])
		}
	}
}

func (f *follower) tellPort(kind string, p api.Listening) {
	detail := map[string]string{"port": strconv.Itoa(p.Port)}
	for key, value := range map[string]string{"address": p.Address, "process": p.Process, "label": p.Label, "url": p.URL} {
		if value != "" {
			detail[key] = value
		}
	}
	f.engine.signal(event.Signal{Time: time.Now(), Kind: kind, Workspace: f.id, Detail: detail})
}
