// Package host asks the Linux host what only it knows: which program holds a
// port, and how much room is left. It changes nothing.
//
// Every function answers with what can be seen: a user who is not root does not
// see the programs of others.
package host

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// stateListen is TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp prints it.
const stateListen = "0A"

// PortFree reports whether nobody listens on the TCP port, on any local address
// that a listener on 127.0.0.1 would meet.
func PortFree(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// PortHolder names the program that listens on the TCP port, such as
// "nginx (pid 812)"; empty if nobody does or it cannot be seen.
func PortHolder(port int) string {
	inodes := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeners(table, port, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if ok && inodes[strings.TrimSuffix(inode, "]")] {
			return program(strings.Split(fd, "/")[2])
		}
	}
	return "a program of another user"
}

func listeners(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		field := strings.Fields(sc.Text())
		if len(field) > 9 && field[3] == stateListen && strings.HasSuffix(field[1], suffix) {
			inodes[field[9]] = true
		}
	}
}

func program(pid string) string {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "pid " + pid
	}
	return strings.TrimSpace(string(name)) + " (pid " + pid + ")"
}
