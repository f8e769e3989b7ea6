package tui

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Draft is a workspace that is to be made: the request, and what of this machine goes with it.
type Draft struct {
	api.Create
	Folder   string // shared as its files; with Copy a copy of it is taken
	Copy     bool
	Worktree string // branch of which a git worktree is shared; it is made where there is none
}

// Made is what came of a draft.
type Made struct {
	Workspace workspace.Workspace
	Notes     []string // what the person should know, one sentence each
}

// createLine is the command that is equal to a draft.
func createLine(d Draft) string {
	words := []string{"wsctl", "create"}
	add := func(flag, value string) {
		if value != "" {
			words = append(words, flag, render.Quote(value))
		}
	}
	if d.Name != "" {
		words = append(words, render.Quote(d.Name))
	}
	add("--template", d.Template)
	add("--image", d.Image)
	if d.Port != 0 {
		add("--port", strconv.Itoa(d.Port))
	}
	for _, k := range slices.Sorted(maps.Keys(d.Params)) {
		add("--param", k+"="+d.Params[k])
	}
	add("--from", d.Folder)
	if d.Copy {
		words = append(words, "--copy")
	}
	add("--worktree", d.Worktree)
	if s := d.Source; s != nil {
		add("--git", s.URL)
		add("--branch", s.Branch)
	}
	for _, k := range slices.Sorted(maps.Keys(d.Labels)) {
		add("--label", k+"="+d.Labels[k])
	}
	if len(d.Command) > 0 {
		words = append(words, "--")
		for _, w := range d.Command {
			words = append(words, render.Quote(w))
		}
	}
	return strings.Join(words, " ")
}
