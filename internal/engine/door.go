package engine

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// frontDoor acts for whoever can reach the door, in every workspace.
var frontDoor = workspace.Actor{ID: workspace.FrontDoor, Admin: true}

// dialTime bounds a connection from the front door into a workspace.
const dialTime = 10 * time.Second

// glance keeps what was last looked up in the store, until anything is written there: the
// door looks for each request, and a transaction costs more than the rest of the look. Its
// rows are shared, and are not to be changed. The zero value is ready, and safe for
// concurrent use.
type glance[K comparable] struct {
	mu   sync.Mutex
	at   uint64 // store.Writes when all of rows were looked up, or before
	rows map[K]workspace.Workspace
}

func (g *glance[K]) look(s *store.Store, key K, find func(*store.Tx) (workspace.Workspace, error)) (workspace.Workspace, error) {
	now := s.Writes()
	g.mu.Lock()
	if g.at != now || g.rows == nil {
		g.at, g.rows = now, make(map[K]workspace.Workspace)
	}
	w, known := g.rows[key]
	g.mu.Unlock()
	if known {
		return w, nil
	}
	err := s.View(func(tx *store.Tx) (err error) {
		w, err = find(tx)
		return err
	})
	if err != nil {
		return workspace.Workspace{}, err
	}
	g.mu.Lock()
	if g.at == now {
		g.rows[key] = w
	}
	g.mu.Unlock()
	return w, nil
}

// DialPort connects to what the leased port leads to. A workspace that is not
// running answers Conflict.
func (e *Engine) DialPort(ctx context.Context, port int) (net.Conn, error) {
	w, err := e.Leased(port)
	if err != nil {
		return nil, err
	}
	return e.reach(ctx, w, w.Spec.Port)
}

// Reach connects to a port inside the run of a workspace. Once that is over it answers
// Conflict.
func (e *Engine) Reach(ctx context.Context, id, run string, port int) (net.Conn, error) {
	w, err := e.byID.look(e.cfg.Store, id, func(tx *store.Tx) (workspace.Workspace, error) { return tx.Workspace(id) })
	if err != nil {
		return nil, err
	}
	if w.Run != run {
		return nil, fault.New(fault.Conflict, "not_running", "workspace %s has been started anew", w.Name)
	}
	return e.reach(ctx, w, port)
}

func (e *Engine) reach(ctx context.Context, w workspace.Workspace, port int) (net.Conn, error) {
	if w.State != workspace.Running && w.State != workspace.Initializing {
		return nil, fault.New(fault.Conflict, "not_running", "workspace %s is %s", w.Name, w.State)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	return e.dialInside(ctx, w, port)
}

// Leased is the workspace that leases port. It is not to be changed.
func (e *Engine) Leased(port int) (workspace.Workspace, error) {
	return e.byPort.look(e.cfg.Store, port, func(tx *store.Tx) (workspace.Workspace, error) {
		id, ok := tx.PortHolder(port)
		if !ok {
			return workspace.Workspace{}, fault.New(fault.NotFound, "port_not_leased", "no workspace leases port %d", port)
		}
		return tx.Workspace(id)
	})
}

// Named is the workspace of that name. It is not to be changed.
func (e *Engine) Named(name string) (workspace.Workspace, error) {
	return e.byName.look(e.cfg.Store, name, func(tx *store.Tx) (workspace.Workspace, error) {
		id, ok := tx.Named(name)
		if !ok {
			return workspace.Workspace{}, fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", name)
		}
		return tx.Workspace(id)
	})
}

// offersTime bounds the look at what listens inside: it only adorns an error.
const offersTime = time.Second

// Offers lists what listens inside a running workspace; nothing where that is unknown.
func (e *Engine) Offers(ctx context.Context, id string) []api.Listening {
	ctx, cancel := context.WithTimeout(ctx, offersTime)
	defer cancel()
	list, err := e.Listening(ctx, frontDoor, id)
	if err != nil {
		return nil
	}
	return list.Ports
}
