package cli

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/wsctl/wsctl/internal/tui"
	"github.com/wsctl/wsctl/internal/workspace"
)

// aside is a factory whose notes go to errs, and which neither asks nor shows progress:
// the screen belongs to the dashboard.
func (f *Factory) aside(errs io.Writer) *Factory {
	g := newFactory(Streams{In: strings.NewReader(""), Out: io.Discard, Err: errs, Env: f.Streams.Env, Version: f.Streams.Version})
	g.Now, g.ConfigFile, g.flags, g.settings, g.client = f.Now, f.ConfigFile, f.flags, f.settings, f.client
	return g
}

// Create implements tui.Source. It does what wsctl create does; an ssh agent is lent until
// the workspace has its files, or the dashboard ends.
func (s *dashSource) Create(ctx context.Context, d tui.Draft) (made tui.Made, err error) {
	var notes bytes.Buffer
	f := s.f.aside(&notes)
	o, req := sourceOptions{From: d.Folder, Copy: d.Copy, Worktree: d.Worktree}, d.Create
	if d.Source != nil {
		source := *d.Source
		req.Source, o.Git, o.Branch = &source, source.URL, source.Branch
	}
	if err := o.ready(ctx, f, &req, true); err != nil {
		return made, err
	}
	made.Workspace, err = o.create(ctx, f, s.client, nil, &req)
	if err != nil {
		return made, err
	}
	if !req.DryRun {
		s.lend(ctx, f, made.Workspace)
	}
	made.Notes = notesOf(notes.String())
	return made, nil
}

// lend lends the person's ssh agent to the clone of a workspace, if it wants one, until that
// has its files or ctx ends.
func (s *dashSource) lend(ctx context.Context, f *Factory, w workspace.Workspace) {
	if wantsAgent(w) {
		lend := f.newFollower(s.client, waitOptions{Timeout: workPatience})
		go func() { _, _ = lend.settle(ctx, w, workspace.WantRunning) }()
	}
}

// begin starts or restarts a workspace as the command line does, with what its clone may use.
func (s *dashSource) begin(ctx context.Context, verb lifecycleVerb, id string) (tui.Accepted, error) {
	var notes bytes.Buffer
	f := s.f.aside(&notes)
	w, err := verb.ask(ctx, f, s.client, id, true)
	if err != nil {
		return tui.Accepted{}, err
	}
	s.lend(ctx, f, w)
	return tui.Accepted{Revision: w.Revision, Notes: notesOf(notes.String())}, nil
}

// notesOf are the notes that a command has printed.
func notesOf(printed string) (notes []string) {
	for line := range strings.Lines(printed) {
		notes = append(notes, strings.TrimPrefix(strings.TrimSpace(line), "note: "))
	}
	return notes
}

// Folder implements tui.Source. A ~ is the person's home, as in a shell.
func (s *dashSource) Folder(path string) (string, error) {
	path, err := fromHome(path)
	if err != nil {
		return "", err
	}
	return folder(path)
}

func fromHome(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || rest[0] == '/') {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", here(err)
		}
		return filepath.Join(home, rest), nil
	}
	return path, nil
}

// Folders implements tui.Source. Hidden ones are found by the dot with which they begin;
// ., .. and ~ alone stand for what is in them.
func (s *dashSource) Folders(typed string) (found []string) {
	if typed == "." || typed == "~" || filepath.Base(typed) == ".." && !strings.HasSuffix(typed, "/") {
		typed += "/"
	}
	parent, begin := filepath.Split(typed)
	dir, err := fromHome(parent)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir(cmp.Or(dir, "."))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(begin, ".")
		unseen := strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
		if strings.HasPrefix(name, begin) && !hidden && !unseen && isFolder(filepath.Join(dir, name), e) {
			found = append(found, parent+name)
		}
	}
	return found
}

// isFolder reports whether an entry is a folder, or leads to one.
func isFolder(path string, e os.DirEntry) bool {
	if e.Type()&os.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
