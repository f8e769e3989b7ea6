package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/daemon"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets this program be wsctl and wsd too, so that scripts run the real main
// of both. wsd starts itself again to check its store.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "verify" {
		runDaemon()
	}
	testscript.Main(m, map[string]func(){"wsctl": runProgram, "wsd": runDaemon})
}

func runProgram() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	streams := SystemStreams()
	streams.Version = "v0-test"
	os.Exit(Main(ctx, os.Args[1:], streams))
}

func runDaemon() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := daemon.Main(ctx, os.Args[1:], "v0-test", daemon.Streams{Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// host is a place with a wsd of its own over the memory driver, which is not started
// yet. Its path is short: a socket's has at most 107 bytes.
type host struct {
	dir, socket string
	env         []string
}

func newHost(fatal func(...any), cleanup func(func())) *host {
	dir, err := os.MkdirTemp("", "wsd-")
	if err != nil {
		fatal(err)
	}
	h := &host{dir: dir, socket: filepath.Join(dir, "run", "wsd.sock")}
	first := freePorts()
	h.env = []string{
		"WSD_SOCKET=" + h.socket, "WSD_STATE_DIR=" + filepath.Join(dir, "state"), "WSD_TEMPLATES=" + filepath.Join(dir, "templates"), "WSD_DRIVER=memory", "WSD_FRONT_ADDRESS=" + freeAddress(fatal),
		"WSD_PORTS_FIRST=" + strconv.Itoa(first), "WSD_PORTS_LAST=" + strconv.Itoa(first+portsWide-1),
		"HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, "config"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "xdg"),
		"TERM=xterm", "NO_COLOR=",
	}
	cleanup(func() {
		h.stop()
		_ = os.RemoveAll(dir)
	})
	return h
}

// stop ends the daemon, if there is one, and waits for its end.
func (h *host) stop() {
	c := client.New(client.Options{Socket: h.socket, Retry: client.RetryPolicy{Attempts: 1}})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if st, err := c.Status(ctx); err == nil {
		_ = endProcess(ctx, st.PID)
	}
}

const portsWide = 12

// freePorts returns the begin of a range below the ephemeral ports that is free now.
func freePorts() int {
	for {
		first := 20000 + rand.IntN(800)*portsWide
		free := true
		for p := first; p < first+portsWide && free; p++ {
			l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p))
			if err == nil {
				_ = l.Close()
			}
			free = err == nil
		}
		if free {
			return first
		}
	}
}

// command returns wsctl as a process on this host.
func (h *host) command(args ...string) *exec.Cmd {
	cmd := exec.Command("wsctl", args...)
	cmd.Env = append(os.Environ(), h.env...)
	return cmd
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			h := newHost(func(args ...any) { panic(fmt.Sprint(args...)) }, e.Defer)
			e.Vars = append(e.Vars, h.env...)
			e.Vars = append(e.Vars, "HOST="+h.dir)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":     scriptStatus,
			"eventually": scriptEventually,
			"field":      scriptField,
		},
		UpdateScripts: *update,
	})
}

// scriptEventually is `eventually PATTERN PROGRAM ARGS...`: it runs the program until its
// stdout matches. It is for what asks wsd for a moment only, and says less when that is slow.
func scriptEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN PROGRAM ARGS...")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && re.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s never printed what matches %s", strings.Join(args[1:], " "), args[0])
		}
	}
}

// scriptStatus is `status N PROGRAM ARGS...`: it fails unless the program ends with N.
func scriptStatus(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
}

// scriptField is `field FILE PATH [VALUE]`: the member at the dotted PATH of the JSON
// in FILE has this VALUE, or with no VALUE is there. ! field FILE PATH: it is not.
func scriptField(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: field FILE PATH [VALUE]")
	}
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s is no JSON: %v", args[0], err)
	}
	found := true
	for step := range strings.SplitSeq(args[1], ".") {
		switch x := v.(type) {
		case map[string]any:
			v, found = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if found = err == nil && i < len(x); found {
				v = x[i]
			}
		default:
			found = false
		}
		if !found {
			break
		}
	}
	got := ""
	if found {
		got = jsonText(v)
	}
	switch {
	case neg && found:
		ts.Fatalf("%s is %s", args[1], got)
	case !neg && !found:
		ts.Fatalf("there is no %s", args[1])
	case len(args) > 2 && got != args[2]:
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

func jsonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// run runs Main in this process without terminals and returns what it said.
func run(t *testing.T, env map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	status = Main(t.Context(), args, Streams{
		In: strings.NewReader(""), Out: &out, Err: &errOut, Env: func(k string) string { return env[k] }, Version: "v0-test",
	})
	return status, out.String(), errOut.String()
}

func TestSignalsAreCaughtWhereACommandWaits(t *testing.T) {
	for line, want := range map[string]bool{
		"": true, "create demo": true, "list --watch": true, "exec demo -- version": true, "daemon stop": true,
		"--json version": true, "version": false, "version --json": false, "help create": false, "config explain": false,
	} {
		if got := Waits(strings.Fields(line)); got != want {
			t.Errorf("wsctl %s: got %t", line, got)
		}
	}
}

// freeAddress is one that nobody listens on now.
func freeAddress(fatal func(...any)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
