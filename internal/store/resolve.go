package store

import (
	"bytes"
	"slices"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

const (
	minPrefix   = 3  // characters of an id that are enough to name it
	maxListed   = 10 // candidates shown for an ambiguous prefix
	maxDistance = 2  // edits between what was typed and the name that is proposed
)

// Resolve finds a workspace by id, else by name, else by the beginning of its id
// (3 characters or more). Errors as Workspace; Conflict "ambiguous" names the
// candidates; "workspace_not_found" proposes a name that is close. It knows
// nothing of who asks: the caller hides what an actor may not see.
func (t *Tx) Resolve(ref string) (workspace.Workspace, error) {
	w, err := t.Workspace(ref)
	if err == nil || isDamagedRecord(err) {
		return w, err
	}
	if id, ok := t.holder(bName, []byte(ref)); ok {
		return t.Workspace(id)
	}
	ids := t.idsFrom(ref)
	switch {
	case len(ids) == 1:
		return t.Workspace(ids[0])
	case len(ids) > 1:
		return w, ambiguous(ref, ids)
	case fault.Is(err, fault.Gone):
		return w, err
	}
	missing := fault.New(fault.NotFound, "workspace_not_found", "there is no workspace %.60q", ref)
	if name := t.nearestName(ref); name != "" {
		return w, missing.WithHint("did you mean %s?", name)
	}
	return w, missing.WithHint("see: wsctl list")
}

func ambiguous(ref string, ids []string) error {
	shown := ids
	if len(ids) > maxListed {
		shown = append(slices.Clone(ids[:maxListed]), "...")
	}
	return fault.New(fault.Conflict, "ambiguous", "%s is the beginning of %d ids: %s", ref, len(ids), strings.Join(shown, ", ")).
		WithHint("give more characters, or the name")
}

func (t *Tx) idsFrom(prefix string) []string {
	if len(prefix) < minPrefix {
		return nil
	}
	var out []string
	for _, key := range t.keys(bWorkspace, []byte(prefix)) {
		out = append(out, string(key))
	}
	return out
}

// nearestName returns the existing name with the fewest edits from ref, "" if
// none is close. Of equals the first in order wins.
func (t *Tx) nearestName(ref string) string {
	if len(ref) > workspace.MaxName+maxDistance {
		return ""
	}
	best, found := maxDistance+1, ""
	ref = strings.ToLower(ref)
	for _, key := range t.keys(bName, nil) {
		// Something of what was typed has to be left.
		if d := fault.Edits(ref, string(key), maxDistance); d < best && d <= len(ref) && d < max(len(ref), len(key)) {
			best, found = d, string(key)
		}
	}
	return found
}

func ownerPrefix(owner string) []byte {
	if owner == "" {
		return nil
	}
	return []byte(owner + "\x00")
}

func splitStateKey(key []byte) (owner string, state workspace.State, id string) {
	a, rest, _ := bytes.Cut(key, []byte{0})
	b, c, _ := bytes.Cut(rest, []byte{0})
	return string(a), workspace.State(b), string(c)
}
