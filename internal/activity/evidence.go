package activity

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Evidence is a kind of sign that a workspace is used.
type Evidence string

// Engagement: what a person did. It moves the level and the stop.
const (
	Input      Evidence = "input"      // typed into a terminal, a shell or ssh
	Navigation Evidence = "navigation" // a page was opened or a link clicked
	Request    Evidence = "request"    // a request that a person waits for
	FileSaved  Evidence = "file_saved" // by a person
	Ran        Evidence = "exec"       // a command was begun inside
	Asked      Evidence = "command"    // wsctl or a client asked something to be done
	Visible    Evidence = "visible"    // a client said that somebody looks and acts
)

// Work: what goes on by itself. It only delays the stop, within a cap.
const (
	Foreground Evidence = "foreground_job" // of a terminal
	Busy       Evidence = "cpu"            // at least BusyShare of a core over BusySpan
	RunsExec   Evidence = "running_exec"
	Builds     Evidence = "build"
	RunsJob    Evidence = "job"
	Probed     Evidence = "idle_probe" // the template's own check said that it must not stop
)

// What cpu time counts as work. An idle dev server uses 0.001 % of a core.
const (
	BusyShare = 0.05
	BusySpan  = time.Minute
)

var engagements = []Evidence{Input, Navigation, Request, FileSaved, Ran, Asked, Visible}

// Engages reports whether e shows a person. Everything else is work.
func (e Evidence) Engages() bool { return slices.Contains(engagements, e) }

// Entry is one line of a ledger: who did what, when, and what followed.
type Entry struct {
	Kind   Evidence  `json:"kind"`
	Who    string    `json:"who" doc:"uid:NUMBER, front-door or wsd"`
	What   string    `json:"what,omitempty" doc:"terminal main, GET /, make, ..."`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Count  int       `json:"count" doc:"How often in a row"`
	Effect string    `json:"effect" doc:"engaged or work"`
}

// evidenceWords are how people call it.
var evidenceWords = map[Evidence]string{
	Input: "typed", Navigation: "opened a page", Request: "asked", FileSaved: "saved", Ran: "ran", Asked: "asked for", Visible: "looked",
	Foreground: "job in a terminal", Busy: "busy processor", RunsExec: "running command", Builds: "build", RunsJob: "job", Probed: "idle probe",
}

// Words say what was done, to a person. What is not safe for a terminal is not escaped.
func (e Entry) Words() string {
	return strings.TrimSpace(cmp.Or(evidenceWords[e.Kind], string(e.Kind)) + " " + e.What)
}

// LedgerSize is how many entries of a workspace are kept.
const LedgerSize = 40

// Ledger is the newest evidence, oldest first. What one person does in one way in a row
// is one entry.
type Ledger []Entry

// Add returns l with e, which shares no memory with l.
func (l Ledger) Add(e Entry) Ledger {
	e.Effect = "work"
	if e.Kind.Engages() {
		e.Effect = "engaged"
	}
	e.Count = max(e.Count, 1)
	out := slices.Clone(l)
	for i := len(out) - 1; i >= 0 && i >= len(out)-3; i-- { // two people who take turns do not fill it
		if o := &out[i]; o.Kind == e.Kind && o.Who == e.Who && o.What == e.What {
			o.Last, o.Count = e.Last, o.Count+e.Count
			return out
		}
	}
	out = append(out, e)
	return out[max(0, len(out)-LedgerSize):]
}
