package docker

import (
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/runtime"
)

// BenchmarkFirstAnswer compares, interleaved and on the same image and command, a
// workspace in a spare sandbox with a plain container on the default bridge: from the
// request until a TCP connection is accepted. Ratios hold on other machines, times do not.
func BenchmarkFirstAnswer(b *testing.B) {
	d := newDriver(b, func(c *Config) { c.Spare = 1 })
	img, err := d.EnsureImage(b.Context(), "wsd:base", nil)
	if err != nil {
		b.Fatal(err)
	}
	var cold, wake, plain, plainWake []time.Duration
	for b.Loop() {
		if err := d.warmOnce(b.Context()); err != nil {
			b.Fatal(err)
		}
		c := testContainer("bench", "serve", "8080")
		cold = append(cold, timed(func() {
			up(b, d, c)
			accepts(b, func() (net.Conn, error) { return d.Dial(b.Context(), c.Ref, 8080) })
		}))
		if err := d.Stop(b.Context(), c.Ref, time.Second); err != nil {
			b.Fatal(err)
		}
		wake = append(wake, timed(func() {
			if err := d.Start(b.Context(), c.Ref); err != nil {
				b.Fatal(err)
			}
			accepts(b, func() (net.Conn, error) { return d.Dial(b.Context(), c.Ref, 8080) })
		}))
		if err := d.Remove(b.Context(), c.Workspace); err != nil {
			b.Fatal(err)
		}
		p, w := plainContainer(b, d, img)
		plain, plainWake = append(plain, p), append(plainWake, w)
	}
	report := func(name string, ours, theirs []time.Duration) {
		b.ReportMetric(median(ours), name+"-ms")
		b.ReportMetric(median(theirs), "plain-"+name+"-ms")
		b.ReportMetric(median(ours)/median(theirs), name+"-ratio")
	}
	report("create", cold, plain)
	report("start", wake, plainWake)
	b.ReportMetric(0, "ns/op")
}

// plainContainer does the same with the engine's own means.
func plainContainer(b *testing.B, d *Driver, img runtime.Image) (cold, wake time.Duration) {
	b.Helper()
	e := engine(b)
	name := "wsd-bench-" + randomHex(4)
	defer func() { _ = e.ContainerRemove(b.Context(), name, container.RemoveOptions{Force: true}) }()
	start := func() {
		if err := e.ContainerStart(b.Context(), name, container.StartOptions{}); err != nil {
			b.Fatal(err)
		}
		accepts(b, func() (net.Conn, error) {
			in, err := e.ContainerInspect(b.Context(), name)
			if err != nil {
				return nil, err
			}
			return net.Dial("tcp", net.JoinHostPort(in.NetworkSettings.Networks["bridge"].IPAddress, strconv.Itoa(8080)))
		})
	}
	cold = timed(func() {
		cfg := &container.Config{Image: img.Digest, Entrypoint: []string{agentPath, "agent", "--"}, Cmd: []string{agentPath, "serve", "8080"}}
		host := &container.HostConfig{Binds: []string{d.cfg.Agent + ":" + agentPath + ":ro"}}
		if _, err := e.ContainerCreate(b.Context(), cfg, host, nil, nil, name); err != nil {
			b.Fatal(err)
		}
		start()
	})
	second := 1
	if err := e.ContainerStop(b.Context(), name, container.StopOptions{Timeout: &second}); err != nil {
		b.Fatal(err)
	}
	return cold, timed(start)
}

func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func accepts(b *testing.B, dial func() (net.Conn, error)) {
	b.Helper()
	eventually(b, 10*time.Second, func() error {
		c, err := dial()
		if err == nil {
			_ = c.Close()
		}
		return err
	})
}

func median(ds []time.Duration) float64 {
	slices.Sort(ds)
	return float64(ds[len(ds)/2]) / 1e6
}
