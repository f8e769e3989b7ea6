package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/tree"
)

// place is one end of a copy: a path inside a workspace, a path here, or - for a stream.
type place struct {
	Workspace string // "": here
	Path      string
}

// stdio is the path that stands for standard input and output.
const stdio = "-"

// cpOptions are the arguments of cp.
type cpOptions struct{ From, To place }

func newCpCmd(f *Factory, runF func(context.Context, *cpOptions) error) *cobra.Command {
	o := &cpOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *cpOptions) error { return runCp(ctx, f, o) }
	}
	return &cobra.Command{
		Use:   "cp NAME:PATH PATH | PATH NAME:PATH",
		Short: "Copy files into or out of a workspace",
		Long: `Copies a file or folder into a running workspace or out of it, with modes and times;
links are copied as links. As with cp -r, a folder that is there receives the copy
under its own name; otherwise the copy gets the name that is given. A path inside that
begins without / is below the working folder.

A file is put into place whole or not at all. - is standard input or output, for one
file. Write ./a:b for a local file with a colon in its name.`,
		Example: `  wsctl cp notes.txt demo:
  wsctl cp demo:/workspace/dist ./dist
  wsctl cp demo:app.log - | less
  tar c src | wsctl exec demo -- tar x`,
		Args:              func(cmd *cobra.Command, args []string) error { return o.parse(cmd, args) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
		ValidArgsFunction: completeCp(f),
	}
}

// completeCp offers NAME: and the files here.
func completeCp(f *Factory) completionFunc {
	names := completeWorkspaces(f, 2)
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if strings.ContainsAny(word, "/.:") || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		found, _ := names(cmd, nil, word)
		for i, n := range found {
			name, about, _ := strings.Cut(n, "\t")
			found[i] = name + ":\t" + about
		}
		return found, cobra.ShellCompDirectiveNoSpace
	}
}

func parsePlace(word string) place {
	name, rest, remote := strings.Cut(word, ":")
	if !remote || name == "" || strings.ContainsAny(name, "/.\\") {
		return place{Path: word}
	}
	if rest == "" {
		rest = "."
	}
	return place{Workspace: name, Path: rest}
}

func (o *cpOptions) parse(cmd *cobra.Command, args []string) error {
	if err := takes(2, 2, "a source and a destination")(cmd, args); err != nil {
		return err
	}
	o.From, o.To = parsePlace(args[0]), parsePlace(args[1])
	switch {
	case o.From.Workspace == "" && o.To.Workspace == "":
		return usage(cmd, "neither side names a workspace").WithHint("write it as NAME:PATH, such as demo:%s", args[1])
	case o.From.Workspace != "" && o.To.Workspace != "":
		return usage(cmd, "both sides name a workspace").
			WithHint("go by this machine: wsctl exec %s -- tar c %s | wsctl exec %s -- tar x", o.From.Workspace, o.From.Path, o.To.Workspace)
	case args[0] == "" || args[1] == "":
		return usage(cmd, "a path is empty")
	}
	return nil
}

// cpResult is what cp prints as JSON.
type cpResult struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Bytes int64  `json:"bytes"` // of the archive on its way
}

func runCp(ctx context.Context, f *Factory, o *cpOptions) error {
	if err := nameOrFault(o.From.Workspace + o.To.Workspace); err != nil {
		return err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	m := &meter{}
	progress := f.newProgress()
	stop := m.show(progress)
	if o.From.Workspace != "" {
		err = o.fetch(ctx, f, c, m)
	} else {
		err = o.send(ctx, f, c, m)
	}
	stop()
	endProgress(progress, err)
	if err != nil {
		return err
	}
	if o.To.Path == stdio {
		return nil
	}
	return f.result(cpResult{o.From.String(), o.To.String(), m.n.Load()}, func(io.Writer) error { return nil })
}

func (p place) String() string {
	if p.Workspace == "" {
		return p.Path
	}
	return p.Workspace + ":" + p.Path
}

// meter counts bytes as they pass.
type meter struct{ n atomic.Int64 }

func (m *meter) Write(p []byte) (int, error) {
	m.n.Add(int64(len(p)))
	return len(p), nil
}

// show tells of the count until stop is called.
func (m *meter) show(p *render.Progress) (stop func()) {
	if p == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			p.Stage("copying", render.Bytes(m.n.Load()))
			select {
			case <-tick.C:
			case <-done:
				p.Stage("copying", render.Bytes(m.n.Load()))
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// fetch copies out of a workspace.
func (o *cpOptions) fetch(ctx context.Context, f *Factory, c *client.Client, m *meter) error {
	body, err := c.Tree(ctx, o.From.Workspace, o.From.Path)
	if err != nil {
		return err
	}
	defer body.Close()
	archive := io.TeeReader(body, m)
	if o.To.Path == stdio {
		return onlyFile(archive, f.raw, o.From.String())
	}
	dir, name := o.To.Path, ""
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if strings.HasSuffix(dir, "/") {
			return here(&fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist})
		}
		dir, name = filepath.Split(filepath.Clean(dir))
		dir = filepath.Clean(dir)
	}
	if name == "" {
		return here(unpackInto(archive, dir, o.From.Path))
	}
	return here(unpackAs(archive, dir, name))
}

// unpackInto unpacks an archive of what is called from inside into dir, under its own name
// and nothing else there: the workspace may have sent any other. Where from has no name,
// such as ".", it is the workspace that says it, and only what is new gets it, or the usual
// folder.
func unpackInto(archive io.Reader, dir, from string) error {
	name := path.Base(path.Clean(from))
	if name != "." && name != ".." && name != "/" {
		return tree.UnpackOnly(archive, dir, name)
	}
	var head bytes.Buffer
	h, err := tar.NewReader(io.TeeReader(archive, &head)).Next()
	if err != nil {
		return fault.New(fault.Internal, "archive", "what the workspace sent cannot be read").WithCause(err)
	}
	name, _, _ = strings.Cut(path.Clean(h.Name), "/")
	if _, err := os.Lstat(filepath.Join(dir, name)); name != usualFolder && (err == nil || strings.HasPrefix(name, ".")) {
		return &tree.ArchiveError{Name: name, Reason: "would replace what is here: give the copy a name of its own"}
	}
	return tree.UnpackOnly(io.MultiReader(&head, archive), dir, name)
}

// usualFolder is the name of the folder in which a workspace has its files.
const usualFolder = "workspace"

// unpackAs unpacks an archive of one file or folder as name in dir, whole or not at all.
func unpackAs(archive io.Reader, dir, name string) error {
	tmp, err := os.MkdirTemp(dir, ".wsctl-cp-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := tree.Unpack(archive, tmp); err != nil {
		return err
	}
	entries, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	if len(entries) != 1 {
		return fault.New(fault.Internal, "archive", "the workspace sent %d things instead of one", len(entries))
	}
	return os.Rename(filepath.Join(tmp, entries[0].Name()), filepath.Join(dir, name))
}

// onlyFile writes the content of an archive of one file.
func onlyFile(archive io.Reader, out io.Writer, what string) error {
	in := tar.NewReader(archive)
	h, err := in.Next()
	if err != nil {
		return fault.New(fault.Internal, "archive", "what the workspace sent cannot be read").WithCause(err)
	}
	if h.Typeflag != tar.TypeReg {
		return fault.New(fault.Invalid, "not_a_file", "%.80q is no ordinary file, so it cannot be printed", what).
			WithHint("copy it to a folder, or use `wsctl exec NAME -- tar c PATH`")
	}
	_, err = io.Copy(out, in)
	return err
}

// send copies into a workspace.
func (o *cpOptions) send(ctx context.Context, f *Factory, c *client.Client, m *meter) error {
	pack, base, err := o.source(f)
	if err != nil {
		return err
	}
	dir, name := o.To.Path, base
	switch err := c.PutTree(ctx, o.To.Workspace, dir, bytes.NewReader(make([]byte, 1024))); { // an empty archive: is it a folder?
	case fault.Is(err, fault.NotFound) && fault.From(err).Code == "not_found" && !strings.HasSuffix(dir, "/"):
		dir, name = path.Dir(path.Clean(dir)), path.Base(dir)
	case err != nil:
		return err
	case name == "":
		return fault.New(fault.Usage, "name_wanted", "%.80q is a folder, and what comes from standard input has no name", o.To.String()).
			WithHint("name the file: %s:%s", o.To.Workspace, path.Join(dir, "FILE"))
	}
	r, w := io.Pipe()
	defer r.Close() // pack ends when wsd has refused
	var packing error
	done := make(chan struct{})
	go func() {
		defer close(done)
		packing = pack(io.MultiWriter(w, m), name)
		w.CloseWithError(packing)
	}()
	err = c.PutTree(ctx, o.To.Workspace, dir, r)
	_ = r.Close()
	<-done
	if packing != nil && !errors.Is(packing, io.ErrClosedPipe) {
		return here(packing)
	}
	return err
}

// source says how what is here is packed, and what it is called.
func (o *cpOptions) source(f *Factory) (pack func(w io.Writer, name string) error, base string, err error) {
	if o.From.Path == stdio {
		return func(w io.Writer, name string) error { return packStream(w, name, f.Streams.In) }, "", nil
	}
	full, err := filepath.Abs(o.From.Path)
	if err == nil {
		_, err = os.Lstat(full)
	}
	if err != nil {
		return nil, "", here(err)
	}
	return func(w io.Writer, name string) error { return tree.Pack(w, full, name) }, filepath.Base(full), nil
}

// packStream packs what can only be read once: its length must be known first, so it goes
// through a temporary file.
func packStream(w io.Writer, name string, in io.Reader) error {
	tmp, err := os.CreateTemp("", "wsctl-cp-*")
	if err != nil {
		return err
	}
	defer tmp.Close()
	if err := os.Remove(tmp.Name()); err != nil {
		return err
	}
	n, err := io.Copy(tmp, in)
	if err != nil {
		return err
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: n, ModTime: time.Now(), Format: tar.FormatPAX}); err != nil {
		return err
	}
	if _, err := io.Copy(out, tmp); err != nil {
		return err
	}
	return out.Close()
}

// here words an error about the files of this machine.
func here(err error) error {
	if err == nil {
		return nil
	}
	var bad *tree.ArchiveError
	var path *fs.PathError
	switch {
	case errors.As(err, &bad):
		return fault.New(fault.Denied, "archive_unsafe", "the workspace sent an archive that is not safe: %s", bad.Error())
	case fault.From(err).Kind != fault.Internal:
		return err
	case errors.As(err, &path):
		kind := fault.Denied
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			kind = fault.NotFound
		case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
			kind = fault.StorageFull
		}
		return fault.New(kind, "local_file", "%.200s: %v", path.Path, path.Err).WithCause(err)
	}
	return fault.New(fault.Denied, "local_file", "%s", fmt.Sprint(err)).WithCause(err)
}
