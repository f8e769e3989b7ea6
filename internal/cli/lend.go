package cli

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// The clone of a repository by ssh runs inside, where the person's keys are not. wsctl
// lends their ssh agent to it for as long as it waits for the workspace, and looks at each
// request: a container may list keys and log in as the user of the address, and nothing
// else. See draft-ietf-sshm-ssh-agent for the messages.

// agentSocket is the person's ssh agent; "": there is none that answers.
func agentSocket() string {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return ""
	}
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return ""
	}
	_ = conn.Close()
	return socket
}

// overSSH prepares a source that is cloned by ssh: with the agent, and with the host keys
// that this machine knows.
func overSSH(ctx context.Context, f *Factory, s *workspace.Source, waits bool) {
	to, ok := workspace.ParseSSH(s.URL)
	if !ok {
		return
	}
	if s.KnownHosts = knownHosts(ctx, to); s.KnownHosts == "" {
		f.note("note: your known_hosts has no key of %s; the clone takes the one that it is shown", to.KnownAs())
	}
	switch {
	case agentSocket() == "":
	case !waits:
		f.note("note: your ssh agent is not lent to the clone, because wsctl does not wait for it")
	default:
		s.SSHAgent = true
		f.note("note: your ssh agent is lent to the clone, for logins%s alone, until its files are there", as(to.User))
	}
}

// renewAccess says what the clone of a workspace that is started again may use of the
// person's: the last attempt may have failed for want of it. Where nothing is fetched, or
// the workspace is somebody else's, it does nothing.
func renewAccess(ctx context.Context, f *Factory, c *client.Client, ref string, fetches func(workspace.Workspace) bool, waits bool) error {
	w, err := c.Workspace(ctx, ref)
	if err != nil || !w.Fetches() || w.Spec.Source.Kind != workspace.SourceGit || !fetches(w) {
		return err
	}
	source := workspace.Source{URL: w.Spec.Source.URL}
	overSSH(ctx, f, &source, waits)
	err = c.GiveGitAccess(ctx, w.ID, api.GitAccess{
		Credential: gitCredential(ctx, source.URL), SSHAgent: source.SSHAgent, KnownHosts: source.KnownHosts,
	})
	if fault.Is(err, fault.Conflict) || fault.Is(err, fault.Denied) {
		return nil
	}
	return err
}

func as(user string) string {
	if user == "" {
		return ""
	}
	return " as " + user
}

// knownHosts returns the lines that this machine has for a server.
func knownHosts(ctx context.Context, to workspace.SSHTarget) string {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		files = slices.Insert(files, 0, filepath.Join(home, ".ssh", "known_hosts"))
	}
	ctx, cancel := context.WithTimeout(ctx, credentialTime)
	defer cancel()
	var out strings.Builder
	for _, file := range files {
		found, err := exec.CommandContext(ctx, "ssh-keygen", "-F", to.KnownAs(), "-f", file).Output()
		if err != nil {
			continue // it has none, or is not there
		}
		for line := range strings.Lines(string(found)) {
			if !strings.HasPrefix(line, "#") {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

// lendEvery is the pause before an offer that failed is repeated.
const lendEvery = 200 * time.Millisecond

// wantsAgent reports whether the next start of w has a clone that is to use an ssh agent.
func wantsAgent(w workspace.Workspace) bool { return w.Fetches() && w.Spec.Source.SSHAgent }

// lendAgent lends the person's ssh agent to the clone of w, if it wants one, until the
// returned stop is called.
func lendAgent(ctx context.Context, c *client.Client, w workspace.Workspace) (stop func()) {
	if !wantsAgent(w) {
		return func() {}
	}
	to, _ := workspace.ParseSSH(w.Spec.Source.URL)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for offerAgent(ctx, c, w.ID, to.User) {
		}
	}()
	return func() { cancel(); <-ended }
}

// offerAgent makes one offer and returns when it was taken. It is false when none is
// wanted any more.
func offerAgent(ctx context.Context, c *client.Client, id, user string) bool {
	conn, err := c.LendAgent(ctx, id)
	var first []byte
	if err == nil {
		first, err = readAgentMessage(conn)
	}
	switch {
	case ctx.Err() != nil, fault.Is(err, fault.Conflict), fault.Is(err, fault.Denied), fault.Is(err, fault.NotFound), fault.Is(err, fault.Gone):
		return false
	case err != nil: // wsd restarts, or git has thought better of it
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lendEvery):
			return true
		}
	}
	go func() {
		defer conn.Close()
		agent, err := net.DialTimeout("unix", os.Getenv("SSH_AUTH_SOCK"), time.Second)
		if err != nil {
			return
		}
		defer agent.Close()
		stop := context.AfterFunc(ctx, func() { _ = agent.Close() })
		defer stop()
		_ = relayAgent(conn, agent, first, user)
	}()
	return true
}

// Messages of an ssh agent.
const (
	agentFailure      = 5
	agentIdentities   = 11
	agentSign         = 13
	agentExtension    = 27
	agentSessionBind  = "session-bind@openssh.com"
	userauthRequest   = 50 // RFC 4252
	maxAgentMessage   = 256 << 10
	agentLengthOctets = 4
)

// readAgentMessage reads a message without its length.
func readAgentMessage(r io.Reader) ([]byte, error) {
	head := make([]byte, agentLengthOctets)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > maxAgentMessage {
		return nil, errors.New("this is no message of an ssh agent")
	}
	body := make([]byte, n)
	_, err := io.ReadFull(r, body)
	return body, err
}

func writeAgentMessage(w io.Writer, body []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)) //nolint:gosec // bounded where it was read
	return err
}

// relayAgent answers the requests of conn, of which first is read already, by agent. What
// is not allowed fails.
func relayAgent(conn io.ReadWriter, agent io.ReadWriter, first []byte, user string) error {
	for request := first; ; {
		answer := []byte{agentFailure}
		if mayAsk(request, user) {
			err := writeAgentMessage(agent, request)
			if err == nil {
				answer, err = readAgentMessage(agent)
			}
			if err != nil {
				return err
			}
		}
		err := writeAgentMessage(conn, answer)
		if err == nil {
			request, err = readAgentMessage(conn)
		}
		if err != nil {
			return err
		}
	}
}

// mayAsk reports whether a container may ask for this: which keys there are, to bind the
// connection to a session, and to sign a login as user, of any name where that is "".
func mayAsk(request []byte, user string) bool {
	m := sshFields(request[1:])
	switch request[0] {
	case agentIdentities:
		return true
	case agentExtension:
		name, ok := m.text()
		return ok && name == agentSessionBind
	case agentSign:
		_, ok1 := m.text() // the key
		data, ok2 := m.text()
		return ok1 && ok2 && isLogin(sshFields(data), user)
	}
	return false
}

// isLogin reports whether data is what a client signs to log in with a key (RFC 4252, 7).
func isLogin(data sshFields, user string) bool {
	_, ok := data.text() // the session
	if !ok || len(data) == 0 || data[0] != userauthRequest {
		return false
	}
	data = data[1:]
	name, ok1 := data.text()
	service, ok2 := data.text()
	method, ok3 := data.text()
	return ok1 && ok2 && ok3 && (user == "" || name == user) && service == "ssh-connection" &&
		(method == "publickey" || method == "publickey-hostbound-v00@openssh.com")
}

// sshFields are fields of a message of ssh (RFC 4251, 5), which are taken from its front.
type sshFields []byte

func (b *sshFields) text() (string, bool) {
	if len(*b) < agentLengthOctets {
		return "", false
	}
	n := uint64(binary.BigEndian.Uint32(*b))
	rest := (*b)[agentLengthOctets:]
	if n > uint64(len(rest)) {
		return "", false
	}
	*b = rest[n:]
	return string(rest[:n]), true
}
