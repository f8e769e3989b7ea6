package devcontainer

import (
	"slices"

	"github.com/tailscale/hujson"
)

// row says what becomes of one key at the top of the file.
type row struct {
	key  string
	read func(r *reader, key string, v *hujson.Value) // nil: the key changes nothing
	why  string                                       // noted where read is nil; empty: nothing is lost
	fine []string                                     // values, as JSON, for which nothing is lost; none: empty ones
}

const (
	whyRights  = "is refused: a workspace gets no rights beyond those of its profile"
	whyCompose = "belongs to Docker Compose, which is not supported"
)

// rows are the keys that are known, in the order in which they are read: folders first,
// because variables name them. docs/devcontainer.md has the same table for people.
var rows = []row{
	{key: "dockerComposeFile", read: (*reader).compose},
	{key: "workspaceMount", read: (*reader).workspaceMount},
	{key: "workspaceFolder", read: (*reader).workspaceFolder},
	{key: "name", read: (*reader).name},
	{key: "image", read: (*reader).readImage},
	{key: "build", read: (*reader).readBuild},
	{key: "dockerFile", read: (*reader).legacyBuild},
	{key: "context", read: (*reader).legacyBuild},
	{key: "containerEnv", read: (*reader).containerEnv},
	{key: "remoteEnv", read: (*reader).remoteEnv},
	{key: "containerUser", read: (*reader).readUser},
	{key: "remoteUser", read: (*reader).readUser},
	{
		key: "updateRemoteUserUID", fine: []string{"false"},
		why: "is not done: the user keeps its number; a shared folder must belong to it",
	},
	{key: "mounts", read: (*reader).mounts},
	{key: "forwardPorts", read: (*reader).forwardPorts},
	{key: "appPort", read: (*reader).appPort},
	{key: "portsAttributes", read: (*reader).portsAttributes},
	{key: "otherPortsAttributes", read: (*reader).otherPorts},
	{key: "overrideCommand", read: (*reader).overrideCommand},
	{key: "onCreateCommand", read: (*reader).hooks},
	{key: "updateContentCommand", read: (*reader).hooks},
	{key: "postCreateCommand", read: (*reader).hooks},
	{key: "postStartCommand", read: (*reader).hooks},
	{key: "postAttachCommand", read: (*reader).hooks},
	{key: "waitFor", read: (*reader).readWaitFor},
	{key: "initializeCommand", why: "never runs: it is for the host, and nothing of a repository runs there"},
	{key: "secrets", read: (*reader).secrets},
	{key: "hostRequirements", read: (*reader).hostRequirements},
	{key: "features", read: (*reader).features},
	{
		key: "overrideFeatureInstallOrder",
		why: "changes nothing: features are not installed",
	},
	{key: "privileged", why: whyRights},
	{key: "capAdd", read: (*reader).refuseEach},
	{key: "securityOpt", read: (*reader).refuseEach},
	{key: "runArgs", read: (*reader).runArgs},
	{key: "init", fine: []string{"true"}, why: "changes nothing: process 1 is always an init that reaps"},
	{
		key: "shutdownAction", fine: []string{`"stopContainer"`},
		why: "changes nothing: a workspace stops when nobody has used it for a while",
	},
	{
		key: "userEnvProbe", fine: []string{`"none"`},
		why: "is not done: put variables into containerEnv or remoteEnv instead of a shell's start files",
	},
	{key: "service", why: whyCompose},
	{key: "runServices", why: whyCompose},
	// For editors, which read the file themselves.
	{key: "customizations"},
	{key: "extensions"},
	{key: "settings"},
	{key: "devPort"},
	{key: "$schema"},
}

// forEditors reports whether a key changes nothing of ours.
func forEditors(key string) bool {
	return slices.ContainsFunc(rows, func(r row) bool { return r.key == key && r.read == nil && r.why == "" })
}

func (r *reader) name(key string, v *hujson.Value) {
	if s, ok := r.text(key, v, mode{}); ok {
		r.out.Name = clean(s, maxLabel)
	}
}

// compose refuses the whole file: without its services nothing of it would work.
func (r *reader) compose(key string, v *hujson.Value) {
	r.mistake(v, key, "asks for Docker Compose, which is not supported: "+
		"a workspace is one container; name an image or a build, and make further workspaces for databases and the like")
}

func (r *reader) refuseEach(key string, v *hujson.Value) {
	for _, e := range r.elements(key, v) {
		r.note(key, "%s %s", clean(literal(&e).String(), 60), whyRights)
	}
}
