package engine

import (
	"context"
	"net"
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
	var w workspace.Workspace
	err := e.cfg.Store.View(func(tx *store.Tx) (err error) {
		w, err = tx.Workspace(id)
		return err
	})
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

// Leased is the workspace that leases port.
func (e *Engine) Leased(port int) (w workspace.Workspace, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) (err error) {
		id, ok := tx.PortHolder(port)
		if !ok {
			return fault.New(fault.NotFound, "port_not_leased", "no workspace leases port %d", port)
		}
		w, err = tx.Workspace(id)
		return err
	})
	return w, err
}

// Named is the workspace of that name.
func (e *Engine) Named(name string) (w workspace.Workspace, err error) {
	err = e.cfg.Store.View(func(tx *store.Tx) (err error) {
		id, ok := tx.Named(name)
		if !ok {
			return fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", name)
		}
		w, err = tx.Workspace(id)
		return err
	})
	return w, err
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
