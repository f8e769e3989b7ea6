package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/wsctl/wsctl/internal/workspace"
)

// measureWake compares the first request to a workspace that sleeps with the plain
// engine's start of the same container on its bridge, until that answers.
func measureWake(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	id, err := p.twin.create(ctx)
	if err != nil {
		return nil, err
	}
	w, err := p.ours.client.Workspace(ctx, "bench-model")
	if err != nil {
		return nil, err
	}
	asleep := func(command string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := p.ours.wsctl(ctx, command, "bench-model")
			return errors.Join(err, rest(s.settle)(ctx))
		}
	}
	byPort, byName := p.ours.ways(w)
	plain := act{
		before: func(ctx context.Context) error {
			now := 0
			return errors.Join(p.plain.ContainerStop(ctx, id, container.StopOptions{Timeout: &now}), rest(s.settle)(ctx))
		},
		timed: func(ctx context.Context) error { return p.twin.startAnswering(ctx, id) },
	}
	found, err := interleave(ctx, s.count,
		act{before: asleep("stop"), timed: byPort.once}, plain,
		act{before: asleep("stop"), timed: byName.once},
		act{before: asleep("pause"), timed: byPort.once})
	if err != nil {
		return nil, err
	}
	return []Row{
		against("first request wakes a stopped one, by port / engine start until it answers", found[0], found[1], 0.5),
		against("the same by name", found[2], found[1], 0.5),
		below("first request wakes a paused one", found[3], 30),
	}, nil
}

// way is one address of the same page.
type way struct {
	url, host string // host: what is asked for there; "": that of url
}

// ways are the leased port and the name of a workspace.
func (d *daemon) ways(w workspace.Workspace) (byPort, byName way) {
	return way{url: pageOf(w.Port)}, way{url: "http://" + d.names + "/", host: w.Name + ".localhost"}
}

func (w way) once(ctx context.Context) error {
	return w.get(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
}

func (w way) get(ctx context.Context, c *http.Client) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return err
	}
	req.Host = w.host
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", w.url, res.StatusCode)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// load is how the door is used in one sample.
type load struct {
	clients, requests int // requests of each client
	kept              bool
}

func (l load) String() string {
	how := "new connections"
	if l.kept {
		how = "kept connections"
	}
	return fmt.Sprintf("%d requests, %s, %d at a time", l.clients*l.requests, how, l.clients)
}

// run sends the load by w.
func (l load) run(w way) func(context.Context) error {
	return func(ctx context.Context) error {
		failed := make([]error, l.clients)
		var group sync.WaitGroup
		for i := range l.clients {
			group.Go(func() {
				t := &http.Transport{DisableKeepAlives: !l.kept}
				defer t.CloseIdleConnections()
				c := &http.Client{Transport: t}
				for range l.requests {
					if failed[i] = w.get(ctx, c); failed[i] != nil {
						return
					}
				}
			})
		}
		group.Wait()
		return errors.Join(failed...)
	}
}

// measureDoor compares requests through the front door with those through a port that
// the plain engine publishes, and with those to the container's address.
func measureDoor(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	w, err := p.ours.client.Workspace(ctx, "bench-model")
	if err != nil {
		return nil, err
	}
	published, direct, err := p.twin.publish(ctx)
	if err != nil {
		return nil, err
	}
	byPort, byName := p.ours.ways(w)
	for _, l := range []load{{1, 400, true}, {8, 100, true}, {1, 200, false}, {8, 50, false}} {
		found, err := interleave(ctx, s.count, act{timed: l.run(byPort)}, act{timed: l.run(published)}, act{timed: l.run(byName)}, act{timed: l.run(direct)})
		if err != nil {
			return nil, err
		}
		rows = append(rows,
			against("leased port / published port: "+l.String(), found[0], found[1], 1),
			against("by name / published port: "+l.String(), found[2], found[1], 1),
			Row{What: "leased port / the container's own address: " + l.String(), Ours: found[0], Plain: found[3], Ratio: found[0].Median / found[3].Median})
	}
	return rows, nil
}

// publish starts a container with a published port, and returns both ways to it.
func (t *twin) publish(ctx context.Context) (published, direct way, err error) {
	port := nat.Port(strconv.Itoa(t.port) + "/tcp")
	config := t.config
	config.ExposedPorts = nat.PortSet{port: {}}
	made, err := t.engine.ContainerCreate(ctx, &config, &container.HostConfig{
		Mounts: t.mounts, PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1"}}},
	}, &network.NetworkingConfig{}, nil, "")
	if err != nil {
		return way{}, way{}, err
	}
	if err := t.startAnswering(ctx, made.ID); err != nil {
		return way{}, way{}, err
	}
	in, err := t.engine.ContainerInspect(ctx, made.ID)
	if err != nil {
		return way{}, way{}, err
	}
	bound := in.NetworkSettings.Ports[port]
	if len(bound) == 0 {
		return way{}, way{}, errors.New("the plain engine publishes no port")
	}
	published = way{url: "http://" + net.JoinHostPort("127.0.0.1", bound[0].HostPort) + "/"}
	direct = way{url: fmt.Sprintf("http://%s:%d/", in.NetworkSettings.Networks["bridge"].IPAddress, t.port)}
	return published, direct, answers(ctx, published.url)
}

// freeAddress is one that nobody listens on now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// keystrokes is how many keys make one sample of the echo.
const keystrokes = 50

// measureEcho times a key from the client to the terminal inside and back.
func measureEcho(ctx context.Context, s settings) (rows []Row, err error) {
	p, err := newPair(ctx, s)
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if err != nil {
		return nil, err
	}
	if err := p.model(ctx); err != nil {
		return nil, err
	}
	t, err := p.ours.terminal(ctx, "bench-model")
	if err != nil {
		return nil, err
	}
	defer t.close()
	var each []float64
	for range s.count * keystrokes {
		begin := time.Now()
		if err := t.key('x'); err != nil {
			return nil, err
		}
		each = append(each, float64(time.Since(begin))/float64(time.Millisecond))
	}
	return []Row{below("a key until its echo is back, in a terminal", figure("ms", each), 3)}, nil
}
