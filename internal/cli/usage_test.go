package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// nowhere is an environment in which contacting or starting wsd fails with status 5,
// so that a 2 proves that the command line itself was refused.
func nowhere(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("WSD_SOCKET", dir+"/wsd.sock")
	t.Setenv("WSD_STATE_DIR", dir)
	t.Setenv("WSD_CONFIG", "")
	t.Setenv("HOME", dir)
	return map[string]string{"WSCTL_WSD": dir + "/no-such-wsd"}
}

// TestWrongCommandLines are rows 67, 68, 70, 71 and 73 of docs/bad-input.md and
// slips of the fingers.
func TestWrongCommandLines(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	tests := []struct {
		name string
		args []string
		says string // in the message or the hint
	}{
		{"67: a flag of the engine as the command", []string{"create", "--", "--privileged"}, "begins with a dash"},
		{"67: a name that begins with a dash", []string{"create", "-x"}, "no flag -x"},
		{"67: a name with capitals", []string{"create", "Demo"}, `did you mean "demo"`},
		{"67: a name with a path", []string{"create", "a/../../etc"}, "not a valid name"},
		{"67: a name of 41 characters", []string{"create", strings.Repeat("a", 41)}, "at most 40"},
		{"67: an empty name", []string{"create", ""}, "name"},
		{"68: negative cpus", []string{"create", "--cpus=-1"}, "0.01 to 1024"},
		{"68: no cpus", []string{"create", "--cpus=0"}, "0.01 to 1024"},
		{"68: a billion cpus", []string{"create", "--cpus=1e9"}, "0.01 to 1024"},
		{"68: cpus that are no number", []string{"create", "--cpus=NaN"}, "0.01 to 1024"},
		{"68: infinite cpus", []string{"resize", "a", "--cpus=Inf"}, "0.01 to 1024"},
		{"68: too small a share of a cpu", []string{"create", "--cpus=0.0001"}, "0.01 to 1024"},
		{"68: memory without a unit", []string{"create", "--memory=1"}, "16MiB to 4TiB"},
		{"68: too much memory", []string{"create", "--memory=9999999T"}, "16MiB to 4TiB"},
		{"68: too little memory", []string{"create", "--memory=1MiB"}, "16MiB to 4TiB"},
		{"68: memory in an unknown unit", []string{"create", "--memory=5X"}, "16MiB to 4TiB"},
		{"68: negative memory", []string{"create", "--memory=-1GiB"}, "16MiB to 4TiB"},
		{"68: too few processes", []string{"create", "--pids=1"}, "16 to 32768"},
		{"70: no time", []string{"wait", "a", "--timeout", "0"}, "with a unit"},
		{"70: no time with a unit", []string{"wait", "a", "--timeout", "0s"}, "more than 0s"},
		{"70: negative time", []string{"wait", "a", "--timeout=-1s"}, "more than 0s"},
		{"70: a forgotten unit", []string{"wait", "a", "--timeout", "1h1"}, "with a unit"},
		{"70: an exponent", []string{"wait", "a", "--timeout", "1e9h"}, "with a unit"},
		{"70: a bare number", []string{"create", "--wait-timeout", "5"}, "with a unit"},
		{"70: too long a time", []string{"wait", "a", "--timeout", "999999h"}, "at most 720h"},
		{"71: a variable without a value", []string{"create", "--env", "A"}, "not KEY=VALUE"},
		{"71: a variable without a name", []string{"create", "--env", "=x"}, "not KEY=VALUE"},
		{"71: a variable with a dash in its name", []string{"create", "--env", "A-B=x"}, "not the name of a variable"},
		{"71: a variable given twice", []string{"create", "--env", "A=1", "--env", "A=2"}, "twice"},
		{"71: a value of a megabyte", []string{"create", "--env", "A=" + long}, "at most 32768"},
		{"71: a value with a NUL", []string{"create", "--env", "A=\x00"}, "not text"},
		{"71: a label without a value", []string{"create", "--label", "a"}, "not KEY=VALUE"},
		{"71: a label with a newline", []string{"create", "--label", "a=b\nc"}, "plain text"},
		{"73: a bad digest", []string{"create", "--image", "x@sha256:bad"}, "not an image reference"},
		{"73: a URL as an image", []string{"create", "--image", "HTTP://x"}, "not an image reference"},
		{"73: an image with a space", []string{"create", "--image", "a b"}, "not an image reference"},
		{"73: a tag without a name", []string{"create", "--image", ":latest"}, "not an image reference"},
		{"an empty image", []string{"create", "--image", ""}, "must not be empty"},
		{"template and image", []string{"create", "--image", "a", "--template", "b"}, "not both"},
		{"a port that is none", []string{"create", "--port", "0"}, "1 to 65535"},
		{"a port above all", []string{"create", "--host-port", "70000"}, "not a TCP port"},
		{"a profile that is none", []string{"create", "--profile", "root"}, "strict, writable, admin"},
		{"two names", []string{"create", "a", "b"}, "too much"},
		{"a dry run without waiting", []string{"create", "--dry-run", "--no-wait"}, "--no-wait"},
		{"nothing after the dashes", []string{"create", "a", "--"}, "no command follows"},
		{"a column that is none", []string{"dash", "--columns", "name,colour"}, "stops-in"},
		{"a theme that is none", []string{"dash", "--theme", "pink"}, "light"},
		{"a tour of somewhere", []string{"tour", "paris"}, "takes no"},
		{"a tour with a wrong name", []string{"tour", "--name", "Tour"}, "not a valid name"},
		{"an unknown command", []string{"crate"}, "did you mean `wsctl create`"},
		{"an unknown subcommand", []string{"jobs", "lst"}, "did you mean `wsctl jobs ls`"},
		{"an unknown flag", []string{"create", "--memroy", "1GiB"}, "did you mean --memory"},
		{"a flag without its value", []string{"create", "--memory"}, "needs a value"},
		{"a switch with a wrong value", []string{"create", "--stopped=maybe"}, "true or false"},
		{"nobody to start", []string{"start"}, "needs a NAME, --label or --all"},
		{"names and a selector", []string{"stop", "a", "--all"}, "not both"},
		{"a selector that is none", []string{"stop", "--label", "="}, "not a label key"},
		{"a state that is none", []string{"list", "--state", "asleep"}, "running"},
		{"no command to run", []string{"exec", "a"}, "wsctl exec a -- ls"},
		{"an empty command to run", []string{"exec", "a", "--", ""}, "word 1"},
		{"a terminal where there is none", []string{"exec", "-t", "a", "--", "sh"}, "standard input is none"},
		{"a label that neither sets nor removes", []string{"label", "a", "b"}, "neither KEY=VALUE nor KEY-"},
		{"a label both set and removed", []string{"label", "a", "b=1", "b-"}, "twice"},
		{"nothing to resize", []string{"resize", "a"}, "at least one"},
		{"a new name that is none", []string{"rename", "a", "B_"}, "not a valid name"},
		{"a condition that is none", []string{"wait", "a", "--for", "godot"}, "ready"},
		{"a time that is none", []string{"logs", "a", "--since", "yesterday"}, "10m"},
		{"a negative tail", []string{"logs", "a", "--tail=-5"}, "from 0"},
		{"a limit that is none", []string{"events", "--limit", "0"}, "1 to 10000"},
		{"a shell that is none", []string{"completion", "tcsh"}, "fish"},
		{"arguments where none belong", []string{"version", "please"}, "takes no arguments"},
		{"a port nobody can hold", []string{"ports", "--who", "99999"}, "not a TCP port"},
		{"a state of jobs that is none", []string{"jobs", "ls", "--state", "dead"}, "failed"},
	}
	env := nowhere(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, out, errOut := run(t, env, tt.args...)
			if status != 2 || out != "" || !strings.Contains(errOut, tt.says) {
				t.Errorf("status %d, stdout %q, stderr %.400q; want 2 and %q", status, out, errOut, tt.says)
			}
			if lines := strings.Count(errOut, "\n"); lines > 2 {
				t.Errorf("%d lines of stderr, want a sentence and a hint:\n%s", lines, errOut)
			}
			asJSON := append([]string{"--json"}, tt.args...)
			if !slices.Contains(tt.args, "--") { // behind the mistake it counts too
				asJSON = append(slices.Clone(tt.args), "--json")
			}
			if strings.HasPrefix(tt.name, "a flag without") {
				asJSON = append([]string{"--json"}, tt.args...) // else it would be the value
			}
			status, out, errOut = run(t, env, asJSON...)
			var body struct{ Error api.Problem }
			if err := json.Unmarshal([]byte(out), &body); err != nil || status != 2 || errOut != "" || body.Error.Code == "" || body.Error.Detail == "" {
				t.Errorf("--json: status %d, stderr %q, %v in %s", status, errOut, err, out)
			}
		})
	}
}

// One sentence says what is wrong; the list of fields repeats it only for programs.
func TestAWrongSettingIsToldOnce(t *testing.T) {
	env := nowhere(t)
	t.Setenv("WSD_PORTS_FIRST", "abc")
	status, _, errOut := run(t, env, "list")
	if status != 2 || strings.Count(errOut, "must be a whole number") != 1 || !strings.Contains(errOut, "WSD_PORTS_FIRST") {
		t.Errorf("status %d, stderr:\n%s", status, errOut)
	}
}

func TestRightCommandLines(t *testing.T) {
	parse := func(args ...string) (*createOptions, error) {
		var got *createOptions
		f := newFactory(Streams{})
		cmd := newCreateCmd(f, func(_ context.Context, o *createOptions) error { got = o; return nil })
		cmd.SetArgs(append([]string{}, args...)) // nil would be those of the test program
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		return got, cmd.Execute()
	}
	o, err := parse("demo", "--cpus", "0.5", "--memory", "512MB", "--pids", "64", "-e", "A=b=c", "-e", "PATH=", "-e", "LD_PRELOAD=/x",
		"-e", "N=a\nb", "-l", "team=web", "--param", "v=1", "--port", "3000", "--profile", "admin", "--wait-timeout", "90s", "--", "node", "--inspect")
	if err != nil {
		t.Fatal(err)
	}
	r := o.Request
	if r.Name != "demo" || *r.Limits.CPUs != 0.5 || *r.Limits.Memory != 512_000_000 || *r.Limits.Pids != 64 || r.Port != 3000 ||
		r.Env["A"] != "b=c" || r.Env["PATH"] != "" || r.Env["N"] != "a\nb" || len(r.Env) != 4 || r.Labels["team"] != "web" ||
		r.Params["v"] != "1" || r.Profile != "admin" || strings.Join(r.Command, " ") != "node --inspect" ||
		time.Duration(o.Timeout) != 90*time.Second {
		t.Errorf("got %+v", o)
	}
	for text, want := range map[string]int64{"512MiB": 512 << 20, "512MB": 512e6, "1.5GiB": 3 << 29, "2GiB": 2 << 30} {
		if o, err := parse("--memory", text); err != nil || *o.Request.Limits.Memory != want {
			t.Errorf("--memory %s: %v, want %d", text, err, want)
		}
	}
	if o, err := parse(); err != nil || o.Request.Limits != (api.PartialLimits{}) {
		t.Errorf("nothing given sets %+v, %v", o.Request.Limits, err)
	}
}

func TestEveryKindEndsWithItsStatus(t *testing.T) {
	want := map[fault.Kind]int{
		fault.Internal: 1, fault.Usage: 2, fault.Invalid: 2, fault.Unsupported: 2, fault.TooLarge: 2, fault.MediaType: 2, fault.Method: 2,
		fault.NotFound: 3, fault.Gone: 3, fault.Conflict: 4, fault.Stale: 4, fault.Precondition: 4, fault.Unavailable: 5,
		fault.Denied: 6, fault.Limit: 7, fault.StorageFull: 7, fault.Timeout: 8, fault.Interrupted: 130,
	}
	for _, k := range fault.Kinds() {
		f := newFactory(Streams{Out: discard{}, Err: discard{}})
		if got := f.report(t.Context(), fault.New(k, "x", "x")); got != want[k] {
			t.Errorf("%s ends with %d, want %d", k, got, want[k])
		}
	}
	f := newFactory(Streams{Out: discard{}, Err: discard{}})
	if got := f.report(t.Context(), errors.New("anything")); got != 1 {
		t.Errorf("an unknown error ends with %d, want 1", got)
	}
	if got := f.report(t.Context(), exitStatus(42)); got != 42 {
		t.Errorf("a command's own status became %d", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := f.report(ended, errors.New("broken by Ctrl-C")); got != 130 {
		t.Errorf("Ctrl-C ends with %d, want 130", got)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestABrokenConnectionIsNoClosedOutput(t *testing.T) {
	f := newFactory(Streams{Out: discard{}, Err: discard{}})
	lost := fault.New(fault.Unavailable, "connection_lost", "lost").WithCause(&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)})
	if got := f.report(t.Context(), lost); got != 5 {
		t.Errorf("status %d, want 5", got)
	}
}

func TestOutputThatFails(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"a closed pipe ends quietly": {&os.PathError{Op: "write", Path: "stdout", Err: syscall.EPIPE}, 0},
		"a full disk is told":        {&os.PathError{Op: "write", Path: "stdout", Err: syscall.ENOSPC}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			var errOut strings.Builder
			status := Main(t.Context(), []string{"version", "--short"}, Streams{Out: failingWriter{tt.err}, Err: &errOut})
			if status != tt.want || (tt.want == 0) != (errOut.Len() == 0) {
				t.Errorf("status %d, stderr %q", status, errOut.String())
			}
		})
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestDurationsAreShownShort(t *testing.T) {
	for d, want := range map[time.Duration]string{15 * time.Minute: "15m", 2 * time.Hour: "2h", 90 * time.Second: "1m30s", 10 * time.Second: "10s", 0: "", 100 * time.Second: "1m40s"} {
		v := durationValue(d)
		if got := v.String(); got != want {
			t.Errorf("%s is shown as %q, want %q", d, got, want)
		}
	}
}

func FuzzPairs(f *testing.F) {
	for _, s := range []string{"A=b", "A", "=x", "A=b=c", "PATH=", "A\x00=1", "A=\n", "é=1"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		m, err := parseEnv([]string{a, b})
		if err != nil {
			if fault.ClassOf(fault.From(err).Kind).Exit != 2 {
				t.Errorf("%q %q: %v is not a mistake of the person", a, b, err)
			}
			return
		}
		for _, word := range []string{a, b} {
			k, v, ok := strings.Cut(word, "=")
			if got, there := m[k]; !ok || !there || got != v || len(m) != 2 {
				t.Errorf("%q became %q", word, m)
			}
		}
		if _, err := parseLabels([]string{a}); err == nil && strings.ContainsAny(a, "\n\x00") {
			t.Errorf("label %q was taken", a)
		}
	})
}

func FuzzSizeFlag(f *testing.F) {
	for _, s := range []string{"512MiB", "1.5G", "9999999T", "1e3MB", "-1GiB", "16777216B", "0x10MB", " 1GiB", "1GiB "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var n *int64
		err := (&sizeValue{bytes: &n}).Set(s)
		switch {
		case err != nil && (n != nil || !fault.Is(err, fault.Usage)):
			t.Errorf("%q: %v with %v", s, err, n)
		case err == nil && (*n < 16<<20 || *n > 1<<42):
			t.Errorf("%q became %d", s, *n)
		}
	})
}

func TestLocalFilesThatFail(t *testing.T) {
	for err, want := range map[error]fault.Kind{
		syscall.ENOENT: fault.NotFound, syscall.ENOTDIR: fault.NotFound, syscall.EACCES: fault.Denied, syscall.ENOSPC: fault.StorageFull,
	} {
		if got := fault.From(here(&os.PathError{Op: "write", Path: "x", Err: err})).Kind; got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}
