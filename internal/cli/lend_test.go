package cli

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/workspace"
)

// sshString is a string of ssh (RFC 4251, 5).
func sshString(s string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func login(user, service, method string) string {
	return sshString("session") + "\x32" + sshString(user) + sshString(service) + sshString(method) + "\x01" + sshString("ssh-ed25519") + sshString("key")
}

func sign(data string) string {
	return "\x0d" + sshString("key") + sshString(data) + "\x00\x00\x00\x00"
}

func TestAContainerMayAskAnSSHAgentForLoginsAlone(t *testing.T) {
	tests := []struct {
		name, request, user string
		may                 bool
	}{
		{"the keys", "\x0b", "git", true},
		{"to bind the session", "\x1b" + sshString("session-bind@openssh.com") + "x", "git", true},
		{"another extension", "\x1b" + sshString("query"), "git", false},
		{"a login", sign(login("git", "ssh-connection", "publickey")), "git", true},
		{"a login bound to the host", sign(login("git", "ssh-connection", "publickey-hostbound-v00@openssh.com")), "git", true},
		{"a login of anybody, where the address names nobody", sign(login("me", "ssh-connection", "publickey")), "", true},
		{"a login of somebody else", sign(login("root", "ssh-connection", "publickey")), "git", false},
		{"another service", sign(login("git", "ssh-userauth", "publickey")), "git", false},
		{"another method", sign(login("git", "ssh-connection", "hostbased")), "git", false},
		{"to sign a file", sign("SSHSIG" + sshString("git") + sshString("") + sshString("sha512")), "git", false},
		{"to sign a file, of anybody", sign("SSHSIG"), "", false},
		{"to sign nothing", sign(""), "", false},
		{"to sign, cut off", "\x0d\x00\x00\x00\x09key", "", false},
		{"a length beyond the end", "\x0d\xff\xff\xff\xffkey", "", false},
		{"to add a key", "\x11", "git", false},
		{"to remove all keys", "\x13", "git", false},
		{"to lock it", "\x16" + sshString("word"), "git", false},
		{"to load a library", "\x14" + sshString("/tmp/x.so"), "git", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := mayAsk([]byte(tt.request), tt.user); got != tt.may {
				t.Errorf("allowed: %v", got)
			}
		})
	}
}

func TestWhatAContainerMayNotAskDoesNotReachTheSSHAgent(t *testing.T) {
	inside, conn := net.Pipe()
	agent, theirs := net.Pipe()
	seen := make(chan string, 4)
	go func() { // an ssh agent that has no keys
		for {
			m, err := readAgentMessage(theirs)
			if err != nil {
				close(seen)
				return
			}
			seen <- string(m)
			_ = writeAgentMessage(theirs, []byte("\x0c\x00\x00\x00\x00"))
		}
	}()
	done := make(chan error, 1)
	go func() { done <- relayAgent(conn, agent, []byte("\x13"), "git") }()
	ask := func(request, want string) {
		t.Helper()
		if request != "" {
			if err := writeAgentMessage(inside, []byte(request)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := readAgentMessage(inside); err != nil || string(got) != want {
			t.Errorf("%q is answered %q, %v", request, got, err)
		}
	}
	ask("", "\x05") // the first one
	ask("\x0b", "\x0c\x00\x00\x00\x00")
	ask(sign("SSHSIG"), "\x05")
	_ = inside.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("it ended with %v", err)
	}
	_ = agent.Close()
	for got := range seen {
		if got != "\x0b" {
			t.Errorf("the agent was asked %q", got)
		}
	}
}

func TestAMessageOfAnSSHAgentIsBounded(t *testing.T) {
	for name, raw := range map[string]string{"empty": "\x00\x00\x00\x00", "too long": "\x10\x00\x00\x00", "cut off": "\x00\x00\x00\x09x"} {
		if m, err := readAgentMessage(strings.NewReader(raw)); err == nil {
			t.Errorf("%s: %q", name, m)
		}
	}
}

func TestAnSSHAgentIsLentToAFetchThatIsToCome(t *testing.T) {
	git := func(change func(*workspace.Workspace)) workspace.Workspace {
		w := workspace.Workspace{Spec: workspace.Spec{Source: &workspace.Source{Kind: workspace.SourceGit, SSHAgent: true}}}
		change(&w)
		return w
	}
	for name, tt := range map[string]struct {
		w    workspace.Workspace
		want bool
	}{
		"a clone":                     {git(func(*workspace.Workspace) {}), true},
		"a clone without the agent":   {git(func(w *workspace.Workspace) { w.Spec.Source.SSHAgent = false }), false},
		"fetched, and not prepared":   {git(func(w *workspace.Workspace) { w.Fetched = true }), false},
		"prepared":                    {git(func(w *workspace.Workspace) { w.Prepared = true }), false},
		"no files from anywhere else": {git(func(w *workspace.Workspace) { w.Spec.Source = nil }), false},
	} {
		if got := wantsAgent(tt.w); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
