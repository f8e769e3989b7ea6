package engine

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/host"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// lease finds a port: the wanted one or an error, or the lowest of the range that
// nobody leases and that can be bound. The bind is the test, and is kept.
func (e *Engine) lease(t *turn, wanted int) (int, error) {
	taken := t.Ports()
	if wanted != 0 {
		if err := e.portAllowed(wanted); err != nil {
			return 0, err
		}
		if holder, ok := taken[wanted]; ok {
			return 0, e.portLeased(t.Tx, wanted, holder)
		}
		if err := t.bind(wanted); err != nil {
			return 0, fault.New(fault.Conflict, "port_in_use", "port %d is used by another program%s", wanted, byWhom(wanted)).
				WithHint("choose another port, or leave it out to get a free one").WithCause(err)
		}
		return wanted, nil
	}
	foreign := 0
	for p := e.cfg.PortFirst; p <= e.cfg.PortLast; p++ {
		if _, ok := taken[p]; ok {
			continue
		}
		if err := t.bind(p); err == nil {
			return p, nil
		}
		foreign++
	}
	return 0, fault.New(fault.Limit, "ports_exhausted", "no port from %d to %d is free: workspaces lease %d, other programs use %d",
		e.cfg.PortFirst, e.cfg.PortLast, e.cfg.PortLast-e.cfg.PortFirst+1-foreign, foreign).
		WithHint("delete a workspace you no longer need (`wsctl list`), or widen ports.last in the configuration")
}

// bind opens the door at p, and closes it again if the turn comes to nothing.
func (t *turn) bind(p int) error {
	if err := t.door.Open(p); err != nil {
		return err
	}
	t.undos = append(t.undos, func() { t.door.Close(p) })
	return nil
}

func byWhom(port int) string {
	if who := host.PortHolder(port); who != "" {
		return " (" + who + ")"
	}
	return ""
}

func (e *Engine) portAllowed(port int) error {
	if port == 0 || port >= e.cfg.PortFirst && port <= e.cfg.PortLast {
		return nil
	}
	return fault.New(fault.Invalid, "host_port_out_of_range", "port %d is outside of the range %d to %d", port, e.cfg.PortFirst, e.cfg.PortLast).
		WithHint("choose one of the range, or change ports.first and ports.last in the configuration").
		WithField("/host_port", "host_port_out_of_range", "")
}

func (e *Engine) portLeased(tx *store.Tx, port int, holder string) error {
	name := holder
	if w, err := tx.Workspace(holder); err == nil {
		name = w.Name
	}
	return fault.New(fault.Conflict, "port_taken", "port %d is leased by workspace %s", port, name).
		WithHint("choose another port, or leave it out to get a free one").WithField("/host_port", "port_taken", "")
}

// Ports tells which ports of the range are leased, and which other programs hold.
func (e *Engine) Ports(_ context.Context, a workspace.Actor) (api.PortList, error) {
	list := api.PortList{First: e.cfg.PortFirst, Last: e.cfg.PortLast, Leases: []api.PortLease{}}
	leased := make(map[int]bool)
	rows, _, err := e.rows()
	if err != nil {
		return list, err
	}
	for _, w := range rows {
		leased[w.Port] = true
		l := api.PortLease{Port: w.Port, State: "leased", Bound: e.cfg.Door.Open(w.Port) == nil}
		if !l.Bound {
			l.Holder = host.PortHolder(w.Port)
		}
		if a.Owns(w) {
			l.Workspace, l.Name, l.Target = w.ID, w.Name, w.Spec.Port
		}
		list.Leases = append(list.Leases, l)
	}
	for p := e.cfg.PortFirst; p <= e.cfg.PortLast; p++ {
		switch {
		case leased[p]:
		case host.PortFree(p):
			list.Free++
		default:
			list.Leases = append(list.Leases, api.PortLease{Port: p, State: "foreign", Holder: host.PortHolder(p)})
		}
	}
	slices.SortFunc(list.Leases, func(x, y api.PortLease) int { return x.Port - y.Port })
	return list, nil
}

// dialTime bounds a connection from the front door into a workspace.
const dialTime = 10 * time.Second

// DialPort connects to what the leased port leads to. A workspace that is not
// running answers Conflict.
func (e *Engine) DialPort(ctx context.Context, port int) (net.Conn, error) {
	var w workspace.Workspace
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		id, ok := tx.PortHolder(port)
		if !ok {
			return fault.New(fault.NotFound, "port_not_leased", "no workspace leases port %d", port)
		}
		w, err = tx.Workspace(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if w.State != workspace.Running && w.State != workspace.Initializing {
		return nil, fault.New(fault.Conflict, "not_running", "workspace %s is %s", w.Name, w.State)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return e.cfg.Driver.Dial(ctx, ref(w), w.Spec.Port)
}
