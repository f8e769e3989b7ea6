// Package host asks the Linux host what only it knows: which program holds a
// port, and how much room is left. It changes nothing.
//
// Every function answers with what can be seen: a user who is not root does not
// see the programs of others.
package host

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// stateListen is TCP_LISTEN of include/net/tcp_states.h, as /proc/net/tcp prints it.
const stateListen = "0A"

// inTheWay are the local addresses, as /proc/net/tcp and tcp6 print them on a
// little-endian machine, whose listeners keep others from listening on 127.0.0.1.
var inTheWay = map[string]bool{
	"0100007F":                         true, // 127.0.0.1
	"00000000":                         true, // 0.0.0.0
	"00000000000000000000000000000000": true, // ::
	"0000000000000000FFFF00000100007F": true, // ::ffff:127.0.0.1
}

// PortHolder names the program that listens on the TCP port, such as
// "nginx (pid 812)"; empty if nobody does or it cannot be seen.
func PortHolder(port int) string {
	return Listeners(func(p int) bool { return p == port })[port]
}

// Listeners returns the wanted TCP ports of 127.0.0.1 on which nobody else can
// listen, each with the program that does. It binds nothing: a port that is only
// looked at stays free for others meanwhile.
func Listeners(wanted func(port int) bool) map[int]string {
	ports := make(map[string]int) // by the socket's inode
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listening(table, wanted, ports)
	}
	found := make(map[int]string, len(ports))
	if len(ports) == 0 {
		return found
	}
	for _, port := range ports {
		found[port] = "a program of another user"
	}
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if port, here := ports[strings.TrimSuffix(inode, "]")]; ok && here {
			found[port] = program(strings.Split(fd, "/")[2])
		}
	}
	return found
}

// listening adds the sockets of a table that listen on wanted ports.
func listening(table string, wanted func(int) bool, ports map[string]int) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		field := strings.Fields(sc.Text())
		if len(field) < 10 || field[3] != stateListen {
			continue
		}
		address, hex, _ := strings.Cut(field[1], ":")
		port, err := strconv.ParseUint(hex, 16, 16)
		if err == nil && inTheWay[address] && wanted(int(port)) {
			ports[field[9]] = int(port)
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
