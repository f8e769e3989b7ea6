package template

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/wsctl/wsctl/internal/fault"
)

// maxManifest bounds template.toml, in bytes: all files inline, escaped, and the rest.
const maxManifest = 512 << 10

// manifest is template.toml as it is written; docs/templates.md describes it.
type manifest struct {
	Name        string            `toml:"name"`
	Title       string            `toml:"title"`
	Description string            `toml:"description"`
	Image       string            `toml:"image"`
	Command     []string          `toml:"command"`
	Port        *int              `toml:"port"`
	Ready       string            `toml:"ready"`
	Profile     string            `toml:"profile"`
	Env         map[string]string `toml:"env"`
	PreStop     []string          `toml:"pre_stop"`
	Limits      struct {
		CPUs   *float64 `toml:"cpus"`
		Memory *string  `toml:"memory"`
		Pids   *int64   `toml:"pids"`
	} `toml:"limits"`
	Timeouts struct {
		Create     *string `toml:"create"`
		Initialize *string `toml:"initialize"`
		Start      *string `toml:"start"`
		Stop       *string `toml:"stop"`
		PreStop    *string `toml:"pre_stop"`
	} `toml:"timeouts"`
	Params []paramRow `toml:"params"`
	Files  []fileRow  `toml:"files"`

	Dir       string            `toml:"dir"`
	User      string            `toml:"user"`
	Restart   string            `toml:"restart"`
	Wake      string            `toml:"wake"`
	Policy    string            `toml:"policy"`
	Hours     string            `toml:"hours"`
	RemoteEnv map[string]string `toml:"remote_env"`
	Health    []string          `toml:"health"`
	IdleProbe []string          `toml:"idle_probe"`
	Build     *buildRow         `toml:"build"`
	Ports     []portRow         `toml:"ports"`
	Hooks     []hookRow         `toml:"hooks"`
	Secrets   []secretRow       `toml:"secrets"`
	Mounts    []mountRow        `toml:"mounts"`
}

type paramRow struct {
	Name        string `toml:"name"`
	Type        string `toml:"type"`
	Default     any    `toml:"default"`
	Options     []any  `toml:"options"`
	Description string `toml:"description"`
}

type fileRow struct {
	Path       string  `toml:"path"`
	Mode       *uint32 `toml:"mode"`
	Content    *string `toml:"content"`    // absent: the file of this path in the folder
	Substitute *bool   `toml:"substitute"` // absent: only where the content stands here
}

// Parse reads a template. data is the text of template.toml, name the template's
// name where the text gives none, folder the one that the text is in (may be nil).
// The error is a fault.Error whose fields name every mistake, those of the TOML
// itself by line and column.
func Parse(data []byte, name string, folder fs.FS) (Template, error) {
	m, err := decode(data)
	if err != nil {
		return Template{}, err
	}
	if m.Name != "" {
		name = m.Name
	}
	t := Template{Name: name, Title: m.Title, Description: m.Description, raw: map[string]bool{}}
	if t.Title == "" {
		t.Title = name
	}
	r := reader{m: m, t: &t}
	r.head()
	r.process()
	r.params()
	r.limits()
	r.timeouts()
	r.ports()
	r.hooks()
	r.secrets()
	r.mounts()
	r.build(below(folder, "build"))
	r.files(below(folder, "files"))
	r.values()
	if len(r.wrong) > 0 {
		e := fault.New(fault.Invalid, "template_invalid", "template %.60s: %s", name, sentences(r.wrong)).
			WithHint("see docs/templates.md")
		e.Fields = r.wrong
		return Template{}, e
	}
	// Whatever is wrong in itself shows with the defaults.
	if _, err := t.Spec(nil); err != nil {
		return Template{}, err
	}
	return t, nil
}

// below is a folder in another one, which may be nil.
func below(folder fs.FS, name string) fs.FS {
	if folder == nil {
		return nil
	}
	in, _ := fs.Sub(folder, name) // fails for unsound names alone
	return in
}

// decode reads the TOML strictly.
func decode(data []byte) (manifest, error) {
	var m manifest
	if len(data) > maxManifest {
		return m, fault.New(fault.TooLarge, "template_too_large", "the template has %d bytes, at most %d are allowed", len(data), maxManifest).
			WithHint("put large files into the folder files beside it")
	}
	if !utf8.Valid(data) {
		return m, fault.New(fault.Invalid, "template_syntax", "the template is not UTF-8 text")
	}
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&m)
	if err == nil {
		return m, nil
	}
	var unknown *toml.StrictMissingError
	var wrong *toml.DecodeError
	out := fault.New(fault.Invalid, "template_syntax", "cannot read the template").WithCause(err)
	switch {
	case errors.As(err, &unknown):
		for _, e := range unknown.Errors[:min(len(unknown.Errors), maxUnknown)] {
			out = out.WithField(keyPointer(e.Key()), "key_unknown",
				fmt.Sprintf("%s%.80q is not a key of a template", place(&e), strings.Join(e.Key(), ".")))
		}
	case errors.As(err, &wrong):
		out = out.WithField(keyPointer(wrong.Key()), "template_syntax", place(wrong)+strings.TrimPrefix(wrong.Error(), "toml: "))
	default:
		out = out.WithField("", "template_syntax", strings.TrimPrefix(err.Error(), "toml: "))
	}
	out.Text += ": " + sentences(out.Fields)
	return m, out.WithCause(nil).WithHint("see docs/templates.md")
}

// maxUnknown bounds how many unknown keys are told at once.
const maxUnknown = 20

// keyPointer is key as a JSON pointer (RFC 6901), cut where it is absurdly deep.
func keyPointer(key []string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, k := range key[:min(len(key), 4)] {
		fmt.Fprintf(&b, "/%.60s", escape.Replace(k))
	}
	return b.String()
}

func place(e *toml.DecodeError) string {
	row, column := e.Position()
	return fmt.Sprintf("line %d, column %d: ", row, column)
}
