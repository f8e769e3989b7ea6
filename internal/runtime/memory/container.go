package memory

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// volume is the content of /workspace. Like a real one it outlives containers.
type volume struct {
	created time.Time
	files   map[string][]byte // path relative to /workspace -> content
}

// container is one container. All fields are guarded by the engine's mutex.
type container struct {
	runtime.Ref
	id       string
	hash     string
	spec     workspace.Spec
	instance *instance
	volume   *volume
	logs     logs
	run      *run // nil unless running or paused
	created  time.Time
	started  time.Time
	finished time.Time
	code     int
	oom      bool
	usage    workspace.Usage // what SetUsage said
}

// run is one life of a container's processes.
type run struct {
	done   chan struct{} // closed when the processes are gone
	thawed chan struct{} // closed when not frozen
	frozen bool
	cut    bool   // from its network, by hand
	port   int    // 0: nothing listens
	root   string // folder that is served
	deaf   bool
	conns  map[*conn]struct{}
}

func newContainer(in *instance, c runtime.Container, v *volume, now time.Time) *container {
	spec := c.Spec.Clone()
	spec.Files = nil
	return &container{
		Ref: c.Ref, id: newID(), hash: specHash(spec), spec: spec, instance: in, volume: v, created: now,
	}
}

// newID returns 64 hexadecimal characters, as Docker's ids are.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// specHash digests the spec that a container was made from.
func specHash(s workspace.Spec) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("memory: a spec cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func containerName(r runtime.Ref) string {
	return "wsd-" + r.Workspace + "-" + strconv.Itoa(r.Generation)
}

func volumeName(workspace string) string { return "wsd-" + workspace }

// write puts the first files into the volume.
func (v *volume) write(files []workspace.File) {
	for _, f := range files {
		v.put(path.Clean(f.Path), []byte(f.Content))
	}
}

// put replaces a file; contents are never changed in place.
func (v *volume) put(name string, content []byte) {
	if v.files == nil {
		v.files = map[string][]byte{}
	}
	v.files[name] = content
}

// size is the sum of all contents in bytes.
func (v *volume) size() (n int64) {
	for _, f := range v.files {
		n += int64(len(f))
	}
	return n
}

func (c *container) observed() runtime.Observed {
	switch {
	case c.run != nil && c.run.frozen:
		return runtime.ObservedPaused
	case c.run != nil:
		return runtime.ObservedRunning
	case c.started.IsZero():
		return runtime.ObservedCreated
	}
	return runtime.ObservedExited
}

func (c *container) status() runtime.Status {
	return runtime.Status{
		Ref: c.Ref, ID: c.id, Name: containerName(c.Ref), State: c.observed(), ExitCode: c.code,
		OOMKilled: c.oom, StartedAt: c.started, FinishedAt: c.finished, Spec: c.hash,
	}
}

// start gives the container a new life. The main process may end at once.
func (e *Engine) start(c *container, now time.Time) {
	thawed := make(chan struct{})
	close(thawed)
	c.run = &run{done: make(chan struct{}), thawed: thawed}
	c.started, c.finished, c.code, c.oom = now, time.Time{}, 0, false
	e.tell(c, "start", now)
	e.main(c, now)
}

// end ends the container's life and tells it.
func (e *Engine) end(c *container, now time.Time, code int, oom bool) {
	c.exit(now, code, oom)
	if oom {
		e.tell(c, "oom", now)
	}
	e.tell(c, "die", now)
}

// exit ends the container's life: its connections, commands and followers with it.
func (c *container) exit(now time.Time, code int, oom bool) {
	r := c.run
	c.run, c.finished, c.code, c.oom = nil, now, code, oom
	close(r.done)
	for conn := range r.conns {
		_ = conn.server.Close()
	}
	c.logs.wake()
}

func (e *Engine) freeze(c *container, now time.Time) {
	c.run.frozen, c.run.thawed = true, make(chan struct{})
	e.tell(c, "pause", now)
}

func (e *Engine) thaw(c *container, now time.Time) {
	c.run.frozen = false
	close(c.run.thawed)
	e.tell(c, "unpause", now)
}

// remove forgets the container, running or not.
func (e *Engine) remove(c *container, now time.Time) {
	if c.run != nil {
		e.end(c, now, killed, false)
	}
	s := c.instance.sites[c.Workspace]
	s.containers = slices.DeleteFunc(s.containers, func(x *container) bool { return x == c })
	c.instance.prune(c.Workspace)
	e.tell(c, "destroy", now)
}
