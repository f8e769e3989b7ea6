package docker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/docker/docker/api/types/filters"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Labels of everything that the driver makes. They are set at creation and never
// change, so a lost store can be rebuilt from them.
const (
	labelInstance   = "wsd.instance"
	labelWorkspace  = "wsd.workspace"
	labelGeneration = "wsd.generation"
	labelSpec       = "wsd.spec"
	labelOwner      = "wsd.owner"
	labelRole       = "wsd.role"
	labelContent    = "wsd.content" // of images of our own: hash of what they are made from
	labelName       = "wsd.name"    // of images: the name that wsd gave it
)

// Values of labelRole.
const (
	roleWorkspace = "workspace"
	roleSandbox   = "sandbox"
	roleVolume    = "volume"
	roleNetwork   = "network"
	roleImage     = "image"  // was built from somebody's Dockerfile
	roleBase      = "base"   // an image of our own, made without a registry
	roleWriter    = "writer" // holds a volume or an image while files are copied, never started
)

func containerName(r runtime.Ref) string { return fmt.Sprintf("wsd-%s-%d", r.Workspace, r.Generation) }

func volumeName(workspaceID string) string {
	return "wsd-" + workspaceID
}

// randomHex returns n random bytes in hexadecimal.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return hex.EncodeToString(b)
}

func (d *Driver) ours(labels map[string]string, role string) bool {
	return labels[labelInstance] == d.cfg.Instance && labels[labelRole] == role
}

// oursContainer tells whether a container is of ours. The instance alone does not tell it: what somebody
// runs from an image of ours inherits the image's labels, and no role of a container.
func (d *Driver) oursContainer(labels map[string]string) bool {
	return d.ours(labels, roleWorkspace) || d.ours(labels, roleSandbox) || d.ours(labels, roleWriter)
}

// refOf reads the Ref from a container's labels.
func refOf(labels map[string]string) runtime.Ref {
	n, _ := strconv.Atoi(labels[labelGeneration])
	return runtime.Ref{Workspace: labels[labelWorkspace], Generation: n}
}

// filter selects our objects; further terms are label=value.
func (d *Driver) filter(terms ...string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", labelInstance+"="+d.cfg.Instance))
	for _, t := range terms {
		f.Add("label", t)
	}
	return f
}

// specHash identifies what a container is made from: two containers with the same
// hash are interchangeable. Limits are left out because Update changes them in
// place; name and owner because they do not make another container.
func specHash(c runtime.Container, imageID string) string {
	b, err := json.Marshal(struct {
		Image   string
		Command []string
		Env     map[string]string // encoding/json sorts keys
		Port    int
		Profile workspace.Profile
		Slot    int
		// Empty ones are left out: what was made before they existed keeps its hash.
		Dir     string            `json:",omitempty"`
		User    string            `json:",omitempty"`
		Restart workspace.Restart `json:",omitempty"`
		Binds   []string          `json:",omitempty"`
		Mounts  []workspace.Mount `json:",omitempty"`
	}{
		imageID, c.Spec.Command, c.Spec.Env, c.Spec.Port, c.Spec.Profile, c.Slot,
		c.Spec.Dir, c.Spec.User, c.Spec.Restart, binds(c.Spec), c.Spec.Mounts,
	})
	if err != nil {
		panic("docker: a struct of strings and numbers cannot fail to marshal: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
