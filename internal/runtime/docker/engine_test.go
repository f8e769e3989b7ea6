package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// testSubnets is away from the default of the configuration, so that the tests do
// not share a range with a daemon on the same machine.
const testSubnets = "10.231.0.0/16"

var agentDir string // holds the stand-in agent for the whole run

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wsd-docker-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	agentDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// buildAgent builds the stand-in agent once.
var buildAgent = sync.OnceValues(func() (string, error) {
	out := filepath.Join(agentDir, "agent")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "./testdata/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the test agent: %w\n%s", err, b)
	}
	return out, os.Chmod(agentDir, 0o755)
})

// engine returns a plain client of the engine, and fails the test if there is none.
func engine(t testing.TB) *client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker Engine")
	}
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err == nil {
		_, err = c.Ping(t.Context())
	}
	if err != nil {
		t.Fatalf("this test needs a Docker Engine that answers: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// newDriver returns a driver with an instance of its own. At the end of the test
// everything of the instance is removed with the driver's own means, and a count
// through the plain client proves that nothing is left.
func newDriver(t testing.TB, change ...func(*Config)) *Driver {
	t.Helper()
	c := engine(t)
	agent, err := buildAgent()
	if err != nil {
		t.Fatal(err)
	}
	state, err := os.MkdirTemp(agentDir, "state-")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Instance: "test-" + randomHex(6), Agent: agent, Subnets: netip.MustParsePrefix(testSubnets),
		Sockets: filepath.Join(state, "run"), Users: filepath.Join(state, "users"), Private: []string{state},
	}
	for _, f := range change {
		f(&cfg)
	}
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		sweep(t, cfg)
		if left := census(t, c, cfg.Instance); len(left) > 0 {
			t.Errorf("left at the engine: %s", strings.Join(left, ", "))
		}
		if left, _ := filepath.Glob(cfg.Sockets + "/*"); cfg.Sockets != "" && len(left) > 0 {
			t.Errorf("left in the folder of the sockets: %s", strings.Join(left, ", "))
		}
		_ = d.Close()
	})
	return d
}

// sweep removes all of an instance through a driver that knows nothing of the past.
func sweep(t testing.TB, cfg Config) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cfg.Host = ""
	d, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	objects, err := d.Objects(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, o := range objects {
		if o.Workspace != "" {
			if err := d.Remove(ctx, o.Workspace); err != nil {
				t.Errorf("cannot remove workspace %s: %v", o.Workspace, err)
			}
		}
	}
	for _, o := range objects {
		if o.Workspace == "" {
			if err := d.RemoveObject(ctx, o); err != nil {
				t.Errorf("cannot remove %s %s: %v", o.Kind, o.Name, err)
			}
		}
	}
}

// residue is the census without images: those of its own stay with a driver.
func residue(t testing.TB, c *client.Client, instance string) []string {
	t.Helper()
	return slices.DeleteFunc(census(t, c, instance), func(s string) bool { return strings.HasPrefix(s, "image wsd:") })
}

// census lists what carries an instance's label, and volumes that have a name of ours and no
// label at all: the engine makes such by itself for a container whose volume is missing.
func census(t testing.TB, c *client.Client, instance string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	f := filters.NewArgs(filters.Arg("label", labelInstance+"="+instance))
	var out []string
	cs, err := c.ContainerList(ctx, container.ListOptions{All: true, Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range cs {
		out = append(out, "container "+summaryName(x))
	}
	ns, err := c.NetworkList(ctx, network.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range ns {
		out = append(out, "network "+x.Name)
	}
	vs, err := c.VolumeList(ctx, volume.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range vs.Volumes {
		out = append(out, "volume "+x.Name)
	}
	is, err := c.ImageList(ctx, image.ListOptions{Filters: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range is {
		out = append(out, "image "+strings.Join(x.RepoTags, ", "))
	}
	for _, name := range bareVolumes(ctx, t, c) {
		out = append(out, "volume "+name+" without a label")
	}
	return out
}

// bareVolumes lists volumes of ours without a label that stay. Tests of other packages may have
// some for a moment, which they are about to remove.
func bareVolumes(ctx context.Context, t testing.TB, c *client.Client) (bare []string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		list, err := c.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("name", "^wsd-"))})
		if err != nil {
			t.Fatal(err)
		}
		var now []string
		for _, x := range list.Volumes {
			if len(x.Labels) == 0 && (bare == nil || slices.Contains(bare, x.Name)) {
				now = append(now, x.Name)
			}
		}
		if bare = now; len(bare) == 0 || time.Now().After(deadline) {
			return bare
		}
	}
}

// testContainer is a small workspace that runs command by the stand-in agent.
func testContainer(name string, command ...string) runtime.Container {
	if len(command) > 0 {
		command = append([]string{agentPath}, command...)
	}
	return runtime.Container{
		Ref: runtime.Ref{Workspace: workspace.NewID(workspace.PrefixWorkspace), Generation: 1}, Name: name, Owner: "uid:0",
		Slot: 7, Origin: true, Spec: workspace.Spec{
			Image: "wsd:base", Command: command, Port: 8080, Profile: workspace.Strict,
			Limits: workspace.Limits{CPUs: 1, Memory: 64 << 20, Pids: 64},
			Files:  []workspace.File{{Path: "a/b/hello.txt", Content: "hello\n"}, {Path: "run.sh", Mode: 0o755, Content: "#!/bin/sh\n"}},
		},
	}
}

// up makes and starts c.
func up(t testing.TB, d *Driver, c runtime.Container) runtime.Status {
	t.Helper()
	st, err := d.Ensure(t.Context(), c)
	if err != nil {
		t.Fatalf("Ensure: %v", err)
	}
	if err := d.Start(t.Context(), c.Ref); err != nil {
		t.Fatalf("Start: %v", err)
	}
	return st
}

// eventually polls until ok says nil; what it said last is the failure.
func eventually(t testing.TB, within time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", within, err)
		}
		time.Sleep(wait)
	}
}

// get asks the workspace's port 8080 through Dial.
func get(ctx context.Context, d *Driver, r runtime.Ref) (string, error) {
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.Dial(ctx, r, 8080)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://workspace/", nil)
	if err != nil {
		return "", err
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// answers waits until the workspace answers HTTP.
func answers(t testing.TB, d *Driver, c runtime.Container) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		body, err := get(t.Context(), d, c.Ref)
		if err == nil && body != "hello from "+c.Name+"\n" {
			return fmt.Errorf("the answer is %q", body)
		}
		return err
	})
}

// inside runs a command of the stand-in agent and returns its output and status.
func inside(t testing.TB, d *Driver, r runtime.Ref, input string, command ...string) (stdout, stderr string, code int) {
	t.Helper()
	p, err := d.Exec(t.Context(), r, runtime.ExecSpec{Command: append([]string{agentPath}, command...), Stdin: input != ""})
	if err != nil {
		t.Fatalf("Exec: %v", err)
	}
	defer func() { _ = p.Close() }()
	if input != "" {
		go func() {
			_, _ = io.WriteString(p.Stdin(), input)
			_ = p.Stdin().Close()
		}()
	}
	var out, errs bytes.Buffer
	if err := p.Copy(&out, &errs); err != nil {
		t.Fatalf("Copy: %v", err)
	}
	code, err = p.Exit(t.Context())
	if err != nil {
		t.Fatalf("Exit: %v", err)
	}
	return out.String(), errs.String(), code
}

func hasCode(err error, code string) bool { return fault.HasCode(err, code) }

func itoa(n int) string { return strconv.Itoa(n) }

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
