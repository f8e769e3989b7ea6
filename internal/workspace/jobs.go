package workspace

import "time"

// Job is one promise of slow work, written in the transaction that promised it
// and ended in the transaction that records its result. It is run at least once;
// its steps are repeatable. A workspace has at most one open job.
type Job struct {
	ID        string    `json:"id"`
	Kind      JobKind   `json:"kind"`
	Workspace string    `json:"workspace"`
	Name      string    `json:"name" doc:"The workspace's name when the job was made"`
	Run       string    `json:"run,omitempty"`
	Actor     string    `json:"actor"`
	State     JobState  `json:"state"`
	Attempt   int       `json:"attempt" doc:"Attempts begun so far"`
	Attempts  int       `json:"attempts" doc:"Attempts allowed"`
	Force     bool      `json:"force,omitempty"`
	DueAt     time.Time `json:"due_at" doc:"Not run before"`
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at,omitzero" doc:"Begin of the last attempt"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Code      string    `json:"code,omitempty" doc:"Code of the last error"`
	Error     string    `json:"error,omitempty" doc:"Sentence of the last error"`
	Hint      string    `json:"hint,omitempty"`
}

// JobKind is what a job does.
type JobKind string

// The job kinds.
const (
	JobProvision JobKind = "provision" // make the container, then start it
	JobStart     JobKind = "start"
	JobStop      JobKind = "stop"
	JobPause     JobKind = "pause"
	JobResume    JobKind = "resume"
	JobResize    JobKind = "resize"
	JobDelete    JobKind = "delete"
)

// JobKinds returns every kind.
func JobKinds() []JobKind {
	return []JobKind{JobProvision, JobStart, JobStop, JobPause, JobResume, JobResize, JobDelete}
}

// JobState is where in its life a job is.
type JobState string

// The job states. Waiting, Delayed and Active jobs are open; the rest have ended
// and are kept for a while: Failed ones until they are retried or pruned.
const (
	JobWaiting   JobState = "waiting" // due, not begun
	JobDelayed   JobState = "delayed" // waits for its next attempt
	JobActive    JobState = "active"  // a worker is on it
	JobCompleted JobState = "completed"
	JobFailed    JobState = "failed"
	JobCancelled JobState = "cancelled" // superseded or cancelled by a person
)

// Open reports whether a job in this state still has work to do.
func (s JobState) Open() bool { return s == JobWaiting || s == JobDelayed || s == JobActive }

// JobStats counts the jobs of one kind since the store was made.
type JobStats struct {
	Kind      JobKind       `json:"kind"`
	Waiting   int           `json:"waiting"`
	Delayed   int           `json:"delayed"`
	Active    int           `json:"active"`
	Completed uint64        `json:"completed"`
	Failed    uint64        `json:"failed"`
	Cancelled uint64        `json:"cancelled"`
	Retried   uint64        `json:"retried" doc:"Attempts after the first"`
	MeanMS    float64       `json:"mean_ms" doc:"Mean time from creation to completion in milliseconds"`
	TotalTime time.Duration `json:"-"`
}
