package sshd

import (
	"io"
	"net"
	"strconv"
	"time"

	"github.com/gliderlabs/ssh"
	gossh "golang.org/x/crypto/ssh"
)

// outputGrace is how long output is waited for once a command has ended.
const outputGrace = 250 * time.Millisecond

// dialTime bounds a connection to where a client wants to go.
const dialTime = 10 * time.Second

// isLoopback tells whether an address that a client wants listened on is inside only. An
// empty one means every address to ssh; here it is the loopback too.
func isLoopback(address string) bool {
	if address == "localhost" {
		return true
	}
	ip := net.ParseIP(address)
	return ip != nil && ip.IsLoopback()
}

// directTCP connects to where the client wants to go (RFC 4254, 7.2): what the workspace
// itself can reach, its own loopback on both kinds of address.
func directTCP(_ *ssh.Server, _ *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	var to struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if err := gossh.Unmarshal(ch.ExtraData(), &to); err != nil || to.Port > 65535 {
		_ = ch.Reject(gossh.ConnectionFailed, "the request cannot be understood")
		return
	}
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(to.Host, strconv.FormatUint(uint64(to.Port), 10)))
	if err != nil {
		_ = ch.Reject(gossh.ConnectionFailed, err.Error())
		return
	}
	join(ch, conn)
}

// directUnix connects to a unix socket inside (OpenSSH's PROTOCOL, 2.4).
func directUnix(_ *ssh.Server, _ *gossh.ServerConn, ch gossh.NewChannel, ctx ssh.Context) {
	var to struct {
		Path     string
		Reserved string
		Port     uint32
	}
	if err := gossh.Unmarshal(ch.ExtraData(), &to); err != nil {
		_ = ch.Reject(gossh.ConnectionFailed, "the request cannot be understood")
		return
	}
	d := net.Dialer{Timeout: dialTime}
	conn, err := d.DialContext(ctx, "unix", to.Path)
	if err != nil {
		_ = ch.Reject(gossh.ConnectionFailed, err.Error())
		return
	}
	join(ch, conn)
}

// join copies both ways; each end of input ends that half alone.
func join(incoming gossh.NewChannel, conn net.Conn) {
	defer conn.Close()
	ch, requests, err := incoming.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	go gossh.DiscardRequests(requests)
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(ch, conn)
		_ = ch.CloseWrite()
	}()
	_, _ = io.Copy(conn, ch)
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	<-back
}
