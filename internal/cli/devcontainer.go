package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/tree"
	"github.com/wsctl/wsctl/internal/workspace"
)

// usualPlace stands for the places where a project usually has its devcontainer.json.
const usualPlace = "auto"

// maxDevcontainer bounds the file, in bytes.
const maxDevcontainer = 256 << 10

// localEnv is compiled when it is needed: most commands never do.
var localEnv = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\$\{(?:localEnv|env):([A-Za-z_][A-Za-z0-9_]*)`)
})

// readDevcontainer puts the project's file into the request, and of this machine's
// variables those that it asks for.
func (o *sourceOptions) readDevcontainer(r *api.Create) error {
	places := []string{o.Devcontainer}
	if o.Devcontainer == usualPlace {
		places = []string{filepath.Join(o.project, ".devcontainer", "devcontainer.json"), filepath.Join(o.project, ".devcontainer.json")}
	}
	var text []byte
	var err error
	var file string
	for _, file = range places {
		if text, err = os.ReadFile(file); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "devcontainer_missing", "there is no %.200s", places[0]).WithHint("name it: --devcontainer=FILE")
	case err != nil:
		return here(err)
	case len(text) > maxDevcontainer:
		return fault.New(fault.TooLarge, "devcontainer_too_large", "%.200s has more than %d bytes", file, maxDevcontainer)
	}
	d := &api.Devcontainer{Text: string(text), Folder: o.project, Env: map[string]string{}}
	if full, err := filepath.Abs(file); err == nil && o.project != "" {
		if rel, err := filepath.Rel(o.project, full); err == nil && filepath.IsLocal(rel) {
			d.Path = filepath.ToSlash(rel)
		}
	}
	for _, m := range localEnv().FindAllStringSubmatch(d.Text, -1) {
		if v, ok := os.LookupEnv(m[1]); ok {
			d.Env[m[1]] = v
		}
	}
	r.Devcontainer = d
	return nil
}

// create asks for the workspace, and gives wsd what it wants to know or have for that.
func (o *sourceOptions) create(ctx context.Context, f *Factory, c *client.Client, p *render.Progress, r *api.Create) (workspace.Workspace, error) {
	if o.Copy && !r.DryRun {
		digest, err := upload(ctx, c, p, o.project)
		if err != nil {
			return workspace.Workspace{}, err
		}
		r.Source = &workspace.Source{Kind: workspace.SourceUpload, Digest: digest}
	}
	for range 3 { // consent and context are asked for once each
		w, err := c.Create(ctx, *r, client.NewKey())
		switch {
		case fault.HasCode(err, "consent_required"):
			if err := o.agree(ctx, f, p, r, fault.From(err)); err != nil {
				return w, err
			}
		case fault.HasCode(err, "context_required") && o.project != "":
			digest, err := upload(ctx, c, p, filepath.Join(o.project, filepath.FromSlash(field(err, "context_required"))))
			if err != nil {
				return w, err
			}
			r.Build = &workspace.Build{Context: digest}
		default:
			return w, err
		}
	}
	return workspace.Workspace{}, fault.New(fault.Internal, "create_loop", "wsd asks for the same again and again")
}

// field is the detail of the field of an error with this code.
func field(err error, code string) string {
	for _, f := range fault.From(err).Fields {
		if f.Code == code {
			return f.Detail
		}
	}
	return ""
}

// agree lets the person decide on what a project wants to run and to know.
func (o *sourceOptions) agree(ctx context.Context, f *Factory, p *render.Progress, r *api.Create, wanted *fault.Error) error {
	hash := field(wanted, "consent_required")
	if !o.Yes {
		if !f.Streams.InTTY || !f.Streams.ErrTTY || f.JSON {
			return wanted
		}
		p.Abandon()
		f.noteWanted("The project wants to run in the workspace:", wanted, "runs")
		f.noteWanted("It wants these variables of yours there:", wanted, "takes")
		yes, err := f.agrees(ctx, "Let it?")
		if err != nil {
			return err
		}
		if !yes {
			return fault.New(fault.Interrupted, "not_agreed", "nothing was made")
		}
	}
	r.Consent = hash
	return nil
}

// noteWanted tells the details of a kind, if there are any.
func (f *Factory) noteWanted(head string, wanted *fault.Error, kind string) {
	for _, one := range wanted.Fields {
		if one.Code != kind {
			continue
		}
		if head != "" {
			f.note("%s", head)
			head = ""
		}
		f.note("  %s", render.EscapeLine(one.Detail))
	}
}

// upload sends a folder as an archive and returns its SHA-256. It goes through a temporary
// file: the digest has to be known first.
func upload(ctx context.Context, c *client.Client, p *render.Progress, dir string) (string, error) {
	tmp, err := os.CreateTemp("", "wsctl-upload-*")
	if err != nil {
		return "", here(err)
	}
	defer tmp.Close()
	if err := os.Remove(tmp.Name()); err != nil {
		return "", here(err)
	}
	m := &meter{}
	p.Stage("packing "+dir, "")
	sum := sha256.New()
	if err := tree.Pack(io.MultiWriter(tmp, sum, m), dir, "."); err != nil {
		return "", here(err)
	}
	if _, err := tmp.Seek(0, io.SeekStart); err != nil {
		return "", here(err)
	}
	p.Stage("sending it", render.Bytes(m.n.Load()))
	digest := hex.EncodeToString(sum.Sum(nil))
	return digest, c.PutUpload(ctx, digest, tmp)
}
