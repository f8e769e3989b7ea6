package tui

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// field is one line of the form.
type field struct {
	key     string // unique in the form; what was typed is kept under it
	label   string
	note    string // what it is for
	input   input
	folder  bool               // of this machine; tab completes it
	choices []string           // to turn to; nil: it is typed
	missing string             // what is said where nothing is typed; "": that is right
	check   func(string) error // of what was typed, never of nothing; may be nil
	put     func(d *Draft, value string)
}

// What a workspace is made from.
const (
	fromTemplate = "template"
	fromImage    = "image"
)

// Where its files come from.
const (
	filesOwn      = "its own"
	filesFolder   = "folder"
	filesCopy     = "copy of a folder"
	filesGit      = "git repository"
	filesWorktree = "worktree"
)

// fileNotes say what a choice of files means.
var fileNotes = map[string]string{
	filesOwn:      "those that it brings",
	filesFolder:   "shared: changes are made here too",
	filesCopy:     "what is changed stays inside",
	filesGit:      "cloned inside, as its user",
	filesWorktree: "of the repository you are in, shared",
}

// fieldsFor are the lines of the form for what is chosen in it.
func (f *form) fieldsFor() []field {
	fields := []field{
		{key: "name", label: "name", note: "empty: one is made up", check: workspace.ValidateName, put: func(d *Draft, v string) { d.Name = v }},
		{key: "from", label: "made from", choices: []string{fromTemplate, fromImage}},
	}
	if f.value("from") == fromImage {
		fields = append(fields, imageFields()...)
	} else {
		fields = append(fields, f.templateFields()...)
	}
	fields = append(fields, f.fileFields()...)
	return append(fields, field{key: "labels", label: "labels", note: "KEY=VALUE, several with spaces", check: checkLabels, put: putLabels})
}

func imageFields() []field {
	return []field{
		{
			key: "image", label: "image", note: "such as python:3.12-slim", missing: "name the image, such as python:3.12-slim",
			check: workspace.ValidateImage, put: func(d *Draft, v string) { d.Image = v },
		},
		{
			key: "port", label: "port", note: "inside, that the URL leads to", check: checkPort,
			put: func(d *Draft, v string) { d.Port, _ = strconv.Atoi(v) },
		},
		{
			key: "command", label: "command", note: "empty: the image's own",
			check: func(s string) error { return workspace.ValidateCommand(execWords(s)) },
			put:   func(d *Draft, v string) { d.Command = execWords(v) },
		},
	}
}

func checkPort(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || workspace.ValidatePort(n) != nil {
		return fault.New(fault.Usage, "port_invalid", "%.20q is not a TCP port: give 1 to 65535", s)
	}
	return nil
}

// templateFields choose a template, and ask for what it wants to know.
func (f *form) templateFields() []field {
	t := f.chosen()
	if t == nil {
		return []field{{key: "no template", label: "template", note: "asking for the templates …", missing: "the templates are not known yet"}}
	}
	names := make([]string, len(f.templates))
	for i, each := range f.templates {
		names[i] = each.Name
	}
	fields := []field{{
		key: "template", label: "template", note: cmp.Or(t.Title, t.Description), choices: names,
		put: func(d *Draft, v string) { d.Template = v },
	}}
	for _, p := range t.Params {
		f.preset("param "+p.Name, p.Default)
		fields = append(fields, field{
			key: "param " + p.Name, label: p.Name, note: p.Description, choices: options(p), check: checkParam(p),
			put: func(d *Draft, v string) {
				if v != p.Default {
					d.Params[p.Name] = v
				}
			},
		})
	}
	return fields
}

func options(p api.Param) []string {
	if p.Type == "bool" && len(p.Options) == 0 {
		return []string{"true", "false"}
	}
	return p.Options
}

func checkParam(p api.Param) func(string) error {
	return func(s string) error {
		if o := options(p); len(o) > 0 && !slices.Contains(o, s) {
			return fault.New(fault.Usage, "param_invalid", "one of: %s", strings.Join(o, ", "))
		}
		if p.Type == "int" && strings.ContainsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '-' }) {
			return fault.New(fault.Usage, "param_invalid", "a whole number")
		}
		return nil
	}
}

// fileFields choose where the files come from.
func (f *form) fileFields() []field {
	files := f.value("files")
	fields := []field{{
		key: "files", label: "files", note: fileNotes[files],
		choices: []string{filesOwn, filesFolder, filesGit, filesCopy, filesWorktree},
	}}
	switch files {
	case filesFolder, filesCopy:
		fields = append(fields, field{
			key: "folder", label: "folder", note: f.folder.note(), missing: "name the folder", folder: true, check: f.checkFolder,
			put: func(d *Draft, v string) { d.Folder, d.Copy = f.folder.of(v), files == filesCopy },
		})
	case filesGit:
		fields = append(fields, field{
			key: "url", label: "url", note: "https://, ssh://, git:// or git@HOST:PATH", missing: "give the address of the repository",
			check: workspace.ValidateGitURL, put: func(d *Draft, v string) { d.Source = &workspace.Source{Kind: workspace.SourceGit, URL: v} },
		}, field{
			key: "branch", label: "branch", note: "empty: the repository's usual one", check: workspace.ValidateGitRef,
			put: func(d *Draft, v string) {
				if d.Source != nil {
					d.Source.Branch = v
				}
			},
		})
	case filesWorktree:
		fields = append(fields, field{
			key: "worktree", label: "branch", note: "made where there is none", missing: "name the branch",
			check: workspace.ValidateGitRef, put: func(d *Draft, v string) { d.Worktree = v },
		})
	}
	return fields
}

func checkLabels(s string) error {
	for word := range strings.FieldsSeq(s) {
		k, v, ok := strings.Cut(word, "=")
		if !ok {
			return fault.New(fault.Usage, "label_invalid", "%.40q is not KEY=VALUE", word)
		}
		if err := workspace.ValidateLabel(k, v); err != nil {
			return err
		}
	}
	return nil
}

func putLabels(d *Draft, s string) {
	for word := range strings.FieldsSeq(s) {
		k, v, _ := strings.Cut(word, "=")
		d.Labels[k] = v
	}
}

// folderCheck is what this machine says of a folder that was typed.
type folderCheck struct {
	text string // as it was typed; what is asked about or known
	full string // its path
	err  error
}

// of is the full path, where it is known.
func (c *folderCheck) of(text string) string {
	if c.text == text && c.full != "" {
		return c.full
	}
	return text
}

func (c *folderCheck) note() string {
	if c.full != "" && c.full != c.text {
		return c.full
	}
	return "of this machine"
}

func (f *form) checkFolder(s string) error {
	if f.folder.text == s {
		return f.folder.err
	}
	return nil
}
