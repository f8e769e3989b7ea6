package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// manifestFile is the file that makes a folder a template.
const manifestFile = "template.toml"

// templateFile is one file of a template, by its path in the template's folder.
type templateFile struct {
	path string
	mode fs.FileMode
	data []byte
}

// readTemplate reads a template that a person named, and returns what it would be called:
// a folder with template.toml, that file itself, or NAME.toml alone.
func (f *Factory) readTemplate(path string) (name string, files []templateFile, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return "", nil, fileFault("read", path, err)
	}
	if filepath.Base(path) == manifestFile {
		path = filepath.Dir(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, fileFault("read", path, err)
	}
	name = filepath.Base(path)
	if info.IsDir() {
		files, err = readTemplateFolder(path)
		return name, files, err
	}
	name, ok := strings.CutSuffix(name, ".toml")
	if !ok {
		return "", nil, fault.New(fault.Usage, "usage", "%s is neither a folder nor a .toml file", path)
	}
	text, err := f.readFile(path, maxTemplate)
	return name, []templateFile{{manifestFile, 0o644, text}}, err
}

// readTemplateFolder reads the parts of a folder that belong to a template; others, such
// as .git, stay where they are.
func readTemplateFolder(dir string) ([]templateFile, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fileFault("read", dir, err)
	}
	defer root.Close()
	var files []templateFile
	var total int64
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch top, _, _ := strings.Cut(p, "/"); {
		case err != nil:
			return err
		case p != "." && top != manifestFile && top != "files" && top != "build":
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return fault.New(fault.Invalid, "template_invalid", "%s is not an ordinary file", render.Escape(filepath.Join(dir, p))).
				WithHint("a template has files and folders only, no links")
		}
		data, mode, err := readBounded(root, p, maxTemplate-total)
		if err != nil {
			return err
		}
		total += int64(len(data))
		files = append(files, templateFile{p, mode, data})
		return nil
	})
	if e := fault.From(err); e != nil && e.Kind != fault.Internal {
		return nil, e
	}
	if err != nil {
		return nil, fileFault("read", dir, err)
	}
	return files, nil
}

// readBounded reads a file of at most most bytes, and whether it may be executed.
func readBounded(root *os.Root, path string, most int64) ([]byte, fs.FileMode, error) {
	in, err := root.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, 0, err
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, 0, err
	}
	if int64(len(data)) > most {
		return nil, 0, fault.New(fault.TooLarge, "file_too_large", "the template has more than %s", render.Bytes(maxTemplate))
	}
	mode := fs.FileMode(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return data, mode, nil
}

// checkTemplate lets wsd judge a template under the name that it would have.
func (f *Factory) checkTemplate(ctx context.Context, name string, files []templateFile) (api.Template, error) {
	if err := workspace.ValidateName(name); err != nil {
		return api.Template{}, fault.New(fault.Invalid, "name_invalid", "%.60q is no name for a template", name).
			WithHint("name it with 1 to 40 lower-case letters, digits and single dashes")
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	for _, file := range files {
		header := &zip.FileHeader{Name: file.path, Method: zip.Deflate}
		header.SetMode(file.mode)
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write(file.data)
		}
		if err != nil {
			return api.Template{}, err
		}
	}
	if err := z.Close(); err != nil {
		return api.Template{}, err
	}
	c, err := f.Client(ctx)
	if err != nil {
		return api.Template{}, err
	}
	return c.ValidateTemplateFolder(ctx, name, archive.Bytes())
}

// writeTemplate writes the files of a template into a new folder.
func writeTemplate(dir string, files []templateFile) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fileFault("make", dir, err)
	}
	for _, file := range files {
		p := filepath.Join(dir, filepath.FromSlash(file.path))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			return fileFault("make", filepath.Dir(p), err)
		}
		if err := os.WriteFile(p, file.data, file.mode); err != nil {
			return fileFault("write", p, err)
		}
	}
	return nil
}
