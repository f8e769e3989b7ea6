package docker

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/runtime"
)

// ourNames are those of an image's names that wsd gave it; ok is false of an image that is not
// of ours. What somebody builds upon an image of ours has our labels too, for they are inherited,
// and is told apart by its name: so it is of ours only under the name that its label tells. Where
// the label has none, an earlier version built the image, and all of its names are ours.
func (d *Driver) ourNames(labels map[string]string, tags []string) (names []string, ok bool) {
	built := d.ours(labels, roleImage)
	if !built && !d.ours(labels, roleBase) {
		return nil, false
	}
	tags = slices.DeleteFunc(slices.Clone(tags), func(t string) bool { return t == "<none>:<none>" }) // Docker API < 1.43
	name := labels[labelName]
	switch {
	case built && (name == "" || len(tags) == 0): // without a name: built anew since under the same one
		return tags, true
	case !slices.Contains(tags, name):
		return nil, false
	}
	return slices.DeleteFunc(tags, func(t string) bool { return t != name && (built || t != offeredBase) }), true
}

// imageObjects describes images of ours. One is in use while anybody's container is made from it,
// while another image is built upon it, or while this wsd would make the very same.
func (d *Driver) imageObjects(ctx context.Context) ([]runtime.Object, error) {
	labelled, err := call(ctx, d.link, quick, "list images of its own", func(ctx context.Context, s *session) ([]image.Summary, error) {
		return s.ImageList(ctx, image.ListOptions{Filters: d.filter()})
	})
	if err != nil || len(labelled) == 0 {
		return nil, err
	}
	used, err := d.usedImages(ctx)
	if err != nil {
		return nil, err
	}
	var out []runtime.Object
	for _, i := range labelled {
		names, ok := d.ourNames(i.Labels, i.RepoTags)
		if !ok {
			continue
		}
		o := runtime.Object{Kind: kindImage, ID: i.ID, Name: i.ID, CreatedAt: unixTime(i.Created), Size: i.Size, InUse: used[i.ID]}
		if len(names) > 0 {
			o.Name = names[0]
		}
		if i.Labels[labelRole] == roleBase {
			o.Name = i.Labels[labelName]
			if err := d.describeBase(ctx, &o); err != nil {
				return nil, err
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// usedImages are the ids of images that a container is made from or another image is built upon.
func (d *Driver) usedImages(ctx context.Context) (map[string]bool, error) {
	containers, err := d.everyContainer(ctx)
	if err != nil {
		return nil, err
	}
	images, err := d.everyImage(ctx)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, c := range containers {
		used[c.ImageID] = true
	}
	for _, i := range images {
		used[i.ParentID] = true
	}
	return used, nil
}

// describeBase completes what is told of an image of our own: whether it is of this version, and
// when it came, for all have one time of making.
func (d *Driver) describeBase(ctx context.Context, o *runtime.Object) error {
	current, err := d.makes(ctx, o.Name)
	if err != nil {
		return err
	}
	o.InUse = o.InUse || current
	in, err := d.rawImage(ctx, o.ID)
	if err != nil {
		return ignoreMissing(err)
	}
	if came := in.Metadata.LastTagTime; !came.IsZero() {
		o.CreatedAt = came.UTC()
	}
	return nil
}

// makes tells whether an image of our own with this name is what this wsd makes today.
func (d *Driver) makes(ctx context.Context, tag string) (bool, error) {
	name, _, _ := strings.Cut(strings.TrimPrefix(tag, "wsd:"), "-")
	switch name {
	case "base", "pause":
		m, err := d.buildImage(ctx, name)
		return m.tag == tag, err
	case "build":
		now, err := d.offered(ctx)
		return now == tag, err
	}
	return false, nil // a later version made it
}

// offered is the name of the image that this wsd would offer to Dockerfiles.
func (d *Driver) offered(ctx context.Context) (string, error) {
	d.made.mu.Lock()
	tag := d.made.offered
	d.made.mu.Unlock()
	if tag != "" {
		return tag, nil
	}
	m, err := d.baseForBuilds(ctx)
	return m.tag, err
}

// baseForBuilds makes the image for Dockerfiles from the agent's program as it is now.
func (d *Driver) baseForBuilds(ctx context.Context) (madeImage, error) {
	agent, err := os.ReadFile(d.cfg.Agent)
	if err != nil {
		return madeImage{}, fmt.Errorf("cannot read the agent's program: %w", err)
	}
	arch, err := d.arch(ctx)
	if err != nil {
		return madeImage{}, err
	}
	m, err := buildBase(d.maker(arch), d.cfg.Applets, agent)
	if err == nil {
		d.made.offers(m.tag)
	}
	return m, err
}

// removeImage removes an image of ours, with its steps, unless somebody else has given it a name
// too: then it only loses ours. A name that has gone meanwhile is fine.
func (d *Driver) removeImage(ctx context.Context, id string) error {
	d.made.naming.Lock()
	defer d.made.naming.Unlock()
	in, err := d.rawImage(ctx, id)
	if err != nil {
		return ignoreMissing(err)
	}
	var labels map[string]string
	if in.Config != nil {
		labels = in.Config.Labels
	}
	names, ok := d.ourNames(labels, in.RepoTags)
	if !ok {
		return foreign("image", id)
	}
	if len(names) == 0 {
		names = []string{in.ID}
	}
	for _, n := range names {
		err := do(ctx, d.link, slow, "remove an image", func(ctx context.Context, s *session) error {
			_, err := s.ImageRemove(ctx, n, image.RemoveOptions{PruneChildren: true})
			return err
		})
		if ignoreMissing(err) != nil {
			return err
		}
	}
	return nil
}
