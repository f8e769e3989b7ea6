package engine

import (
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// secretsFor returns the values that w wants.
func (e *Engine) secretsFor(w workspace.Workspace) (map[string][]byte, error) {
	var missing []string
	for _, s := range w.Spec.Secrets {
		if s.Required {
			missing = append(missing, s.Name)
		}
	}
	if len(missing) > 0 {
		return nil, fault.New(fault.Conflict, "secret_missing", "workspace %s needs secrets that are not there: %s", w.Name, strings.Join(missing, ", ")).
			WithHint("set them with `wsctl secret set %s`", missing[0])
	}
	return nil, nil
}
