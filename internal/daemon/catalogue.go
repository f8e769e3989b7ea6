package daemon

import (
	"log/slog"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/template"
)

// catalogue shows templates the way the API does.
type catalogue struct {
	from *template.Catalogue
	log  *slog.Logger
}

// List returns every template that can be used.
func (c catalogue) List() []api.Template {
	list := []api.Template{}
	for _, t := range c.from.List() {
		shown, err := show(t)
		if err != nil {
			c.log.Warn("a template cannot be used", "template", t.Name, "file", t.Source, "err", err)
			continue
		}
		list = append(list, shown)
	}
	return list
}

// Show returns one template.
func (c catalogue) Show(name string) (api.Template, error) {
	t, err := c.from.Get(name)
	if err != nil {
		return api.Template{}, err
	}
	return show(t)
}

// Validate reads the text of a template file.
func (c catalogue) Validate(text []byte) (api.Template, error) {
	t, err := template.Parse(text, "given", nil)
	if err != nil {
		return api.Template{}, err
	}
	return show(t)
}

// ValidateFolder reads the folder of a template of this name.
func (c catalogue) ValidateFolder(name string, archive []byte) (api.Template, error) {
	t, err := template.ParseArchive(archive, name)
	if err != nil {
		return api.Template{}, err
	}
	return show(t)
}

func show(t template.Template) (api.Template, error) {
	spec, err := t.Spec(nil)
	out := api.Template{
		Name: t.Name, Title: t.Title, Description: t.Description, Source: t.Source, Offline: t.Offline(), Spec: spec,
	}
	for _, p := range t.Params {
		out.Params = append(out.Params, api.Param{
			Name: p.Name, Type: string(p.Type), Default: p.Default, Options: p.Options, Description: p.Description,
		})
	}
	return out, err
}
