package docker

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/runtimetest"
	"github.com/wsctl/wsctl/internal/workspace"
)

// buildWsd builds the real agent, alone, once.
var buildWsd = sync.OnceValues(func() (string, error) {
	out := filepath.Join(agentDir, "wsd-agent")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, "github.com/wsctl/wsctl/cmd/wsd-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build the agent: %w\n%s", err, b)
	}
	return out, os.Chmod(agentDir, 0o755)
})

func TestDriverKeepsTheContract(t *testing.T) {
	engine(t)
	agent, err := buildWsd()
	if err != nil {
		t.Fatal(err)
	}
	var slot atomic.Int32
	runtimetest.Run(t, func(t *testing.T) runtimetest.Harness {
		var away atomic.Bool
		real := func(c *Config) { c.Agent, c.Applets = agent, append(DefaultApplets(), "httpd") }
		d := newDriver(t, real, func(c *Config) {
			c.Host = tamper(t, func(*http.Request) bool { return false }, away.Load)
		})
		e := engine(t)
		return runtimetest.Harness{
			Driver: d,
			Other:  newDriver(t, real),
			Container: func(name string) runtime.Container {
				c := testContainer(name)
				c.Slot = int(slot.Add(1))
				c.Spec.Command = []string{"httpd", "-port", "8080"}
				c.Spec.Files = []workspace.File{
					{Path: "index.html", Content: "<p>hello</p>\n"},
					{Path: "deaf", Mode: 0o755, Content: string(deafProgram())},
				}
				return c
			},
			Deaf:   deafCommand(),
			Agent:  askAgent,
			Build:  func() runtime.Build { return dockerfile(t, "FROM wsd:base\nRUN echo made > /made\n") },
			Broken: func() runtime.Build { return dockerfile(t, "FROM wsd:base\nRUN false\n") },
			Kill: func(r runtime.Ref) {
				if err := e.ContainerKill(t.Context(), containerName(r), "SIGKILL"); err != nil {
					t.Errorf("cannot kill by hand: %v", err)
				}
			},
			RemoveByHand: func(r runtime.Ref) {
				if err := e.ContainerRemove(context.Background(), containerName(r), container.RemoveOptions{Force: true}); err != nil {
					t.Errorf("cannot remove by hand: %v", err)
				}
			},
			Down: func() func() {
				away.Store(true)
				return func() { away.Store(false) }
			},
		}
	})
}

// askAgent asks an agent who it is.
func askAgent(conn net.Conn) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://agent/v1/hello", nil)
	if err != nil {
		return err
	}
	if err := req.Write(conn); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the agent answers %s", resp.Status)
	}
	return nil
}

// dockerfile is a build of nothing else; its image is removed with the test.
func dockerfile(t *testing.T, text string) runtime.Build {
	t.Helper()
	e, ref := engine(t), testRef()
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true, PruneChildren: true})
	})
	return runtime.Build{Ref: ref, Dockerfile: "Dockerfile", Context: buildContext(t, map[string]string{"Dockerfile": text})}
}

// deafCommand runs deafProgram; nil where it does not run.
func deafCommand() []string {
	if goruntime.GOARCH != "amd64" {
		return nil
	}
	return []string{"/workspace/deaf"}
}

// deafProgram blocks every signal that can be blocked, says so and sleeps.
func deafProgram() []byte {
	return elf64(62 /* EM_X86_64 */, []byte{
		0xb8, 0x0e, 0x00, 0x00, 0x00, //             mov eax, 14   rt_sigprocmask(2)
		0x31, 0xff, //                               xor edi, edi  SIG_BLOCK
		0x48, 0x8d, 0x35, 0x2b, 0x00, 0x00, 0x00, // lea rsi, [rip+43]: the mask below
		0x31, 0xd2, //                               xor edx, edx
		0x41, 0xba, 0x08, 0x00, 0x00, 0x00, //       mov r10d, 8
		0x0f, 0x05, //                               syscall
		0xb8, 0x01, 0x00, 0x00, 0x00, //             mov eax, 1    write(2)
		0xbf, 0x01, 0x00, 0x00, 0x00, //             mov edi, 1    stdout
		0x48, 0x8d, 0x35, 0x18, 0x00, 0x00, 0x00, // lea rsi, [rip+24]: the word below
		0xba, 0x05, 0x00, 0x00, 0x00, //             mov edx, 5
		0x0f, 0x05, //                               syscall
		0xb8, 0x22, 0x00, 0x00, 0x00, //       loop: mov eax, 34   pause(2)
		0x0f, 0x05, //                               syscall
		0xeb, 0xf7, //                               jmp loop
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		'd', 'e', 'a', 'f', '\n',
	})
}
