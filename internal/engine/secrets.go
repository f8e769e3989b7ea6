package engine

import (
	"context"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
	"github.com/wsctl/wsctl/internal/workspace"
)

// MaxSecrets bounds what one user may keep.
const MaxSecrets = 100

// Vault encrypts the values of secrets. what names a value.
type Vault interface {
	Seal(what string, value []byte) ([]byte, error)
	Open(what string, sealed []byte) ([]byte, error)
}

func sealName(owner, name string) string { return owner + "\x00" + name }

// Secrets lists a's secrets, without their values.
func (e *Engine) Secrets(_ context.Context, a workspace.Actor) ([]api.Secret, error) {
	out := []api.Secret{}
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		rows, err := tx.Secrets(a.ID)
		for _, s := range rows {
			out = append(out, api.Secret{Name: s.Name, Owner: s.Owner, Size: s.Size, ChangedAt: s.ChangedAt})
		}
		return err
	})
	return out, err
}

// SetSecret keeps a value for a. Workspaces get it at their next start.
func (e *Engine) SetSecret(ctx context.Context, a workspace.Actor, name string, value []byte) (api.Secret, error) {
	if err := workspace.ValidateSecret(name, len(value)); err != nil {
		return api.Secret{}, err
	}
	sealed, err := e.cfg.Vault.Seal(sealName(a.ID, name), value)
	if err != nil {
		return api.Secret{}, err
	}
	row := store.Secret{Owner: a.ID, Name: name, Size: len(value), Sealed: sealed}
	err = e.do(ctx, func(t *turn) error {
		rows, err := t.Secrets(a.ID)
		if err != nil {
			return err
		}
		_, there, err := t.Secret(a.ID, name)
		switch {
		case err != nil && !unreadable(err): // a damaged one may be set anew
			return err
		case err == nil && !there && len(rows) >= MaxSecrets:
			return fault.New(fault.Limit, "too_many_secrets", "you have %d secrets, and cannot have more", MaxSecrets).
				WithHint("remove one with `wsctl secret rm NAME`")
		}
		row.ChangedAt = t.now
		if err := t.PutSecret(row); err != nil {
			return err
		}
		return t.tellOwner(a.ID, event.SecretSet, map[string]string{"name": name})
	})
	return api.Secret{Name: name, Owner: a.ID, Size: row.Size, ChangedAt: row.ChangedAt}, err
}

// DeleteSecret forgets one.
func (e *Engine) DeleteSecret(ctx context.Context, a workspace.Actor, name string) error {
	return e.do(ctx, func(t *turn) error {
		if _, there, err := t.Secret(a.ID, name); !there && !unreadable(err) {
			if err != nil {
				return err
			}
			return fault.New(fault.NotFound, "secret_not_found", "there is no secret %.80q", name).WithHint("see which there are with `wsctl secret ls`")
		}
		if err := t.DropSecret(a.ID, name); err != nil {
			return err
		}
		return t.tellOwner(a.ID, event.SecretDeleted, map[string]string{"name": name})
	})
}

// secretsFor returns the values that w wants of its owner's secrets.
func (e *Engine) secretsFor(w workspace.Workspace) (map[string][]byte, error) {
	values := make(map[string][]byte, len(w.Spec.Secrets))
	var missing []string
	err := e.cfg.Store.View(func(tx *store.Tx) error {
		for _, want := range w.Spec.Secrets {
			row, there, err := tx.Secret(w.Owner, want.Name)
			switch {
			case err != nil:
				return err
			case !there && want.Required:
				missing = append(missing, want.Name)
			case there:
				if values[want.Name], err = e.cfg.Vault.Open(sealName(w.Owner, want.Name), row.Sealed); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return values, err
	}
	return nil, fault.New(fault.Conflict, "secret_missing", "workspace %s needs secrets that are not there: %s", w.Name, strings.Join(missing, ", ")).
		WithHint("set them with `wsctl secret set %s`, then `wsctl start %s`", missing[0], w.Name)
}
