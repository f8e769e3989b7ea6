package api

import (
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/workspace"
)

// RawProtocol is the subprotocol of the WebSockets GET /v1/workspaces/{ref}/forward/{port}
// and GET /v1/workspaces/{ref}/ssh: binary messages are the bytes of a connection, an empty
// one ends its sender's half, and closing ends both. ssh starts a stopped workspace.
//
// A terminal is attached to over GET /v1/workspaces/{ref}/terminals/{name}, a WebSocket
// of ExecProtocol whose first message is a TerminalStart. Scrollback comes first as
// ordinary output. A session message tells which session it is, and notices warn of a stop
// that comes. It ends with exit when the terminal's command has ended, and with
// detached when it lives on without this client; closing the socket detaches.
//
// GET /v1/workspaces/{ref}/ssh-agent is one of RawProtocol too, in the other direction: on
// it git, while it fetches a source with ssh_agent, asks the ssh agent of whoever made the
// workspace. It waits until git does, and serves one connection of git's; whoever lends an
// agent opens the next as soon as one is used.
const RawProtocol = "wsd.raw.v1"

// TerminalStart says how to attach.
type TerminalStart struct {
	ExecStart
	View   bool `json:"view,omitempty" doc:"Read only: input and sizes are ignored"`
	Attach bool `json:"attach,omitempty" doc:"Only to a terminal that is there"`
	Detach bool `json:"detach,omitempty" doc:"Detach everybody else"`

	Resume string `json:"resume,omitempty" doc:"The session that a lost connection had; within the grace it goes on"`
}

// Terminal is one named terminal of a workspace.
type Terminal struct {
	Name       string    `json:"name"`
	Command    []string  `json:"command"`
	Cols       uint16    `json:"cols"`
	Rows       uint16    `json:"rows"`
	Viewers    int       `json:"viewers" doc:"Who is attached, writers included"`
	Writers    int       `json:"writers"`
	CreatedAt  time.Time `json:"created_at"`
	LastInput  time.Time `json:"last_input,omitzero"`
	LastOutput time.Time `json:"last_output,omitzero"`
	Foreground string    `json:"foreground,omitempty" doc:"Its foreground job, where that is not the shell"`
}

// TerminalList is the answer to GET /v1/workspaces/{ref}/terminals.
type TerminalList struct {
	Terminals []Terminal `json:"terminals"`
}

// Listening is one TCP port on which something inside a workspace listens.
type Listening struct {
	Port    int    `json:"port"`
	Address string `json:"address"`
	Process string `json:"process,omitempty"`
	Label   string `json:"label,omitempty" doc:"From the template or devcontainer.json"`
	URL     string `json:"url,omitempty" doc:"Where the front door answers for it"`
}

// ListeningList is the answer to GET /v1/workspaces/{ref}/listening; with ?follow=true
// each change is one more line.
type ListeningList struct {
	Ports []Listening `json:"ports"`
}

// SSHKey is the answer to GET /v1/workspaces/{ref}/ssh-key.
type SSHKey struct {
	HostKey string `json:"host_key" doc:"Public host key in the format of known_hosts: TYPE BASE64"`
	User    string `json:"user" doc:"User name that fits"`
}

// Secret is what can be told of a secret: everything but its value.
type Secret struct {
	Name      string    `json:"name"`
	Owner     string    `json:"owner"`
	Size      int       `json:"size" doc:"Bytes"`
	ChangedAt time.Time `json:"changed_at"`
}

// SecretList is the answer to GET /v1/secrets.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
}

// NameSuffix ends every host under which the front door serves workspaces. It always
// means this machine (RFC 6761), and each name below it is a site of its own to a browser.
const NameSuffix = ".localhost"

// DoorField is the header of answers that the front door gives itself. By name it passes on
// none of a workspace's; over a leased port a workspace may say what it likes.
const DoorField = "Wsd-Answer"

// NameURL is where the front door at address (127.0.0.1:7070) serves port of the
// workspace name, whose own port is own. "" where address is, and for a workspace that
// has no port.
func NameURL(address, name string, port, own int) string {
	switch port {
	case 0:
		return ""
	case own:
		return doorURL(address, name)
	}
	return doorURL(address, strconv.Itoa(port)+"."+name)
}

// PreviewLabel stands before the name of a workspace in the host of its preview page, where
// a port inside stands in the hosts of NameURL.
const PreviewLabel = "preview"

// PreviewURL is where the front door at address serves the preview page of the workspace
// name. View is what the page is told of how to begin; nil: nothing. "" where address is.
func PreviewURL(address, name string, view url.Values) string {
	page := doorURL(address, PreviewLabel+"."+name)
	if page == "" || len(view) == 0 {
		return page
	}
	return page + "?" + view.Encode()
}

// doorURL is the front door at address asked for host, without its suffix.
func doorURL(address, host string) string {
	_, door, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	host += NameSuffix
	if door != "80" {
		host += ":" + door
	}
	return "http://" + host + "/"
}

// Devcontainer is a devcontainer.json that wsctl found.
type Devcontainer struct {
	Text   string `json:"text" doc:"The file as it is, comments included"`
	Path   string `json:"path" doc:"Of the file, relative to the folder of the project"`
	Folder string `json:"folder,omitempty" doc:"Name of the project's folder on the client, for ${localWorkspaceFolder}"`

	Env map[string]string `json:"env,omitempty" doc:"Variables of the client that the file asks for by ${localEnv:NAME}"`
}

// GitCredential is used for one clone and never stored.
type GitCredential struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// GitAccess is what the clone of a workspace that has no files yet may use of its owner's. A
// credential, and host keys, that are not given stay what they were.
type GitAccess struct {
	Credential *GitCredential `json:"credential,omitempty" doc:"Kept in memory until the files are there"`
	SSHAgent   bool           `json:"ssh_agent,omitempty" doc:"An ssh agent will be lent; see /ssh-agent"`
	KnownHosts string         `json:"known_hosts,omitempty" doc:"Host keys of the server, as lines of known_hosts(5)"`
}

// CreateSource is the part of Create that says where files and configuration come from.
type CreateSource struct {
	Source        *workspace.Source `json:"source,omitempty"`
	Build         *workspace.Build  `json:"build,omitempty" doc:"Make the image from an uploaded context instead of image or template"`
	Devcontainer  *Devcontainer     `json:"devcontainer,omitempty"`
	Consent       string            `json:"consent,omitempty" doc:"Hash from the error consent_required: its lifecycle commands may run"`
	GitCredential *GitCredential    `json:"git_credential,omitempty"`
	Secrets       []string          `json:"secrets,omitempty" doc:"Names of secrets to give besides those that the template wants"`
	Wake          workspace.Wake    `json:"wake,omitempty"`
}
