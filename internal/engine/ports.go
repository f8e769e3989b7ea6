package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
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
		if err := e.bind(t, wanted); err != nil {
			return 0, errPortInUse
		}
		return wanted, nil
	}
	foreign := 0
	for p := e.cfg.PortFirst; p <= e.cfg.PortLast; p++ {
		if _, ok := taken[p]; ok {
			continue
		}
		if err := e.bind(t, p); err == nil {
			return p, nil
		}
		foreign++
	}
	return 0, fault.New(fault.Limit, "ports_exhausted", "no port from %d to %d is free: workspaces lease %d, other programs use %d",
		e.cfg.PortFirst, e.cfg.PortLast, e.cfg.PortLast-e.cfg.PortFirst+1-foreign, foreign).
		WithHint("delete a workspace you no longer need (`wsctl list`), or widen ports.last in the configuration")
}

// errPortInUse stands for the fault of portInUse until the turn is over: to name the
// program takes longer than a turn may.
var errPortInUse = errors.New("engine: another program uses the port")

func (e *Engine) portInUse(port int) error {
	who := e.cfg.Listeners(func(p int) bool { return p == port })[port]
	if who != "" {
		who = " (" + who + ")"
	}
	return fault.New(fault.Conflict, "port_in_use", "port %d is used by another program%s", port, who).
		WithHint("choose another port, or leave it out to get a free one").WithField("/host_port", "port_in_use", "")
}

// bind opens the door at p; it is closed again if the turn comes to nothing.
func (e *Engine) bind(t *turn, p int) error {
	if err := e.cfg.Door.Open(p); err != nil {
		return err
	}
	t.undos = append(t.undos, func() { e.giveBack(p) })
	return nil
}

// giveBack closes the door at a port, unless somebody leases it by now. It is called
// in the loop, between two turns.
func (e *Engine) giveBack(port int) {
	leased := true
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		_, leased = tx.PortHolder(port)
		return nil
	})
	if err == nil && !leased {
		e.cfg.Door.Close(port)
	}
}

// holdPorts takes leased ports that another program held, and says on the workspace
// when it cannot. The taking is done in turns, so that a port is never taken for a
// workspace that is being deleted.
func (e *Engine) holdPorts(ctx context.Context) {
	rows, _, err := e.rows()
	if err != nil {
		return
	}
	for _, w := range rows {
		if c, told := w.Condition(workspace.PortBound); e.cfg.Door.Holds(w.Port) && (!told || c.Status) {
			continue
		}
		err := e.do(ctx, func(t *turn) error {
			now, err := t.Workspace(w.ID)
			if err != nil {
				return nil // deleted meanwhile
			}
			now = now.Clone()
			return t.note(&now, e.hold(now.Port))
		})
		if err != nil && ctx.Err() == nil {
			e.log.Warn("cannot record a port's state", "port", w.Port, "err", err)
		}
	}
}

func (e *Engine) hold(port int) workspace.Condition {
	if err := e.cfg.Door.Open(port); err != nil {
		return workspace.Condition{
			Type: workspace.PortBound, Status: false, Reason: "held_by_another_program",
			Detail: "another program listens on its port; see `wsctl ports`",
		}
	}
	return workspace.Condition{Type: workspace.PortBound, Status: true, Reason: "listening"}
}

func (e *Engine) portAllowed(port int) error {
	if port == 0 || e.inRange(port) {
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
	rows, _, err := e.rows()
	if err != nil {
		return list, err
	}
	leases := make(map[int]*workspace.Workspace, len(rows))
	for _, w := range rows {
		leases[w.Port] = w
	}
	foreign := e.cfg.Listeners(func(p int) bool {
		_, leased := leases[p]
		return (leased || e.inRange(p)) && !e.cfg.Door.Holds(p)
	})
	for p, w := range leases {
		l := api.PortLease{Port: p, State: "leased", Bound: e.cfg.Door.Holds(p), Holder: foreign[p]}
		if a.Owns(*w) {
			l.Workspace, l.Name, l.Target = w.ID, w.Name, w.Spec.Port
		}
		list.Leases = append(list.Leases, l)
	}
	for p := e.cfg.PortFirst; p <= e.cfg.PortLast; p++ {
		if _, leased := leases[p]; leased {
			continue
		}
		if who, taken := foreign[p]; taken {
			list.Leases = append(list.Leases, api.PortLease{Port: p, State: "foreign", Holder: who})
			continue
		}
		list.Free++
	}
	slices.SortFunc(list.Leases, func(x, y api.PortLease) int { return x.Port - y.Port })
	return list, nil
}

func (e *Engine) inRange(port int) bool { return port >= e.cfg.PortFirst && port <= e.cfg.PortLast }
