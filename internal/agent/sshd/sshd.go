// Package sshd is the server of one ssh connection, in a process of its own: what ssh
// needs of memory is there only while somebody uses it, and what goes wrong ends with the
// connection.
//
// The connection is file descriptor 3. It has been let in by wsd before it comes here, so
// the server asks nobody who they are, takes any user name and gives them what the
// workspace's own user may do, no more. It may not be started as process 1: it waits for
// its own children.
package sshd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gliderlabs/ssh"
	"github.com/pkg/sftp"
	gossh "golang.org/x/crypto/ssh"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxStart bounds the first line, in bytes; startTime how long it is waited for.
const (
	maxStart  = 64 << 10
	startTime = 10 * time.Second
)

// Main serves the connection of file descriptor 3 to its end and returns the exit status.
func Main() int {
	f := os.NewFile(3, "connection")
	if f == nil {
		fmt.Fprintln(os.Stderr, "wsd agent-ssh: there is no connection")
		return 2
	}
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wsd agent-ssh: file descriptor 3 is no connection:", err)
		return 2
	}
	if err := serve(conn); err != nil {
		fmt.Fprintln(os.Stderr, "wsd agent-ssh:", err)
		return 1
	}
	return 0
}

func serve(conn net.Conn) error {
	_ = conn.SetReadDeadline(time.Now().Add(startTime))
	start, err := readStart(conn)
	if err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Time{})
	key, err := gossh.ParsePrivateKey(start.HostKey)
	if err != nil {
		return fmt.Errorf("cannot read the host key: %w", err)
	}
	// It comes when the connection is gone, which the sessions have to be told. Not ignored:
	// what they start would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	h := &host{env: start.Env}
	forward := &ssh.ForwardedTCPHandler{}
	server := &ssh.Server{
		HostSigners: []ssh.Signer{key},
		Handler:     h.session,
		SubsystemHandlers: map[string]ssh.SubsystemHandler{
			"sftp": h.sftp,
		},
		ChannelHandlers: map[string]ssh.ChannelHandler{
			"session":                        ssh.DefaultSessionHandler,
			"direct-tcpip":                   directTCP,
			"direct-streamlocal@openssh.com": directUnix,
		},
		RequestHandlers: map[string]ssh.RequestHandler{
			"tcpip-forward":        forward.HandleSSHRequest,
			"cancel-tcpip-forward": forward.HandleSSHRequest,
			"keepalive@openssh.com": func(ssh.Context, *ssh.Server, *gossh.Request) (bool, []byte) {
				return true, nil
			},
		},
		ReversePortForwardingCallback: func(_ ssh.Context, address string, _ uint32) bool { return isLoopback(address) },
		PtyCallback:                   func(ssh.Context, ssh.Pty) bool { return true },
	}
	server.HandleConn(conn)
	h.wait()
	return nil
}

// readStart reads the first line and not one byte more: what follows is ssh.
func readStart(r io.Reader) (start agentapi.SSHStart, err error) {
	var line bytes.Buffer
	one := make([]byte, 1)
	for line.Len() < maxStart {
		if _, err := io.ReadFull(r, one); err != nil {
			return start, fmt.Errorf("cannot read the first line: %w", err)
		}
		if one[0] == '\n' {
			if err := json.Unmarshal(line.Bytes(), &start); err != nil {
				return start, fmt.Errorf("cannot understand the first line: %w", err)
			}
			return start, nil
		}
		line.WriteByte(one[0])
	}
	return start, fmt.Errorf("the first line is longer than %d bytes", maxStart)
}

// sftp serves the files that the workspace's user may reach.
func (h *host) sftp(s ssh.Session) {
	server, err := sftp.NewServer(s, sftp.WithServerWorkingDirectory(home()))
	if err != nil {
		return
	}
	status := 0
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		status = 1
	}
	_ = s.Exit(status) // before Close, which closes the channel with the files
	_ = server.Close()
}

// home is where sessions begin.
func home() string {
	if dir, err := os.Getwd(); err == nil {
		return dir
	}
	return "/"
}
