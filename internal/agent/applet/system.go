package applet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// env prints the environment, or becomes a command with a changed one.
func env(s Streams, args []string) int {
	environ, rest := os.Environ(), args[1:]
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") {
		option := rest[0]
		rest = rest[1:]
		switch {
		case option == "-i" || option == "-" || option == "--ignore-environment":
			environ = nil
		case option == "-u" && len(rest) > 0:
			environ = without(environ, rest[0])
			rest = rest[1:]
		case option == "--":
		default:
			return usage(s, "env [-i] [-u NAME] [NAME=VALUE]... [COMMAND [ARG]...]")
		}
	}
	for len(rest) > 0 && strings.Contains(rest[0], "=") {
		name, _, _ := strings.Cut(rest[0], "=")
		environ = append(without(environ, name), rest[0])
		rest = rest[1:]
	}
	if len(rest) == 0 {
		for _, e := range environ {
			fmt.Fprintln(s.Out, e)
		}
		return 0
	}
	path, err := exec.LookPath(rest[0])
	if err == nil {
		err = syscall.Exec(path, rest, environ)
	}
	fail(s, "env", "cannot start %s: %v", rest[0], err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

func without(environ []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return strings.HasPrefix(e, name+"=") })
}

// sleep takes seconds, with a fraction or a unit: 1, 0.5, 2m, 1h.
func sleep(s Streams, args []string) int {
	total := time.Duration(0)
	for _, a := range args[1:] {
		d, err := sleepTime(a)
		if err != nil || d < 0 {
			return fail(s, "sleep", "%q is not a time", a)
		}
		total += d
	}
	if len(args) < 2 {
		return usage(s, "sleep SECONDS")
	}
	time.Sleep(total)
	return 0
}

func sleepTime(a string) (time.Duration, error) {
	if a == "infinity" || a == "inf" {
		return 1<<63 - 1, nil
	}
	if days, ok := strings.CutSuffix(a, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		return time.Duration(n * 24 * float64(time.Hour)), err
	}
	if n, err := strconv.ParseFloat(a, 64); err == nil {
		return time.Duration(n * float64(time.Second)), nil
	}
	return time.ParseDuration(a)
}

func id(s Streams, args []string) int {
	o := parse(s, args, "ugnGr", map[string]string{"user": "u", "group": "g", "name": "n", "groups": "G"})
	if o.failed {
		return usage(s, "id [-u | -g | -G] [-n]")
	}
	uid, gid := strconv.Itoa(os.Geteuid()), strconv.Itoa(os.Getegid())
	groups, err := os.Getgroups()
	if err != nil {
		groups = nil
	}
	all := []string{gid}
	for _, g := range groups {
		if text := strconv.Itoa(g); text != gid {
			all = append(all, text)
		}
	}
	show := func(id string, name func(string) string) string {
		if n := name(id); o.has("n") && n != "" {
			return n
		}
		return id
	}
	both := func(id, name string) string {
		if name == "" {
			return id
		}
		return id + "(" + name + ")"
	}
	switch {
	case o.has("u"):
		fmt.Fprintln(s.Out, show(uid, userName))
	case o.has("g"):
		fmt.Fprintln(s.Out, show(gid, groupName))
	case o.has("G"):
		for i := range all {
			all[i] = show(all[i], groupName)
		}
		fmt.Fprintln(s.Out, strings.Join(all, " "))
	default:
		for i := range all {
			all[i] = both(all[i], groupName(all[i]))
		}
		fmt.Fprintf(s.Out, "uid=%s gid=%s groups=%s\n", both(uid, userName(uid)), all[0], strings.Join(all, ","))
	}
	return 0
}

// userName is the name of a user, "" where the image knows none.
func userName(id string) string {
	u, err := user.LookupId(id)
	if err != nil {
		return ""
	}
	return u.Username
}

func groupName(id string) string {
	g, err := user.LookupGroupId(id)
	if err != nil {
		return ""
	}
	return g.Name
}

func whoami(s Streams, _ []string) int {
	uid := strconv.Itoa(os.Geteuid())
	if name := userName(uid); name != "" {
		uid = name
	}
	fmt.Fprintln(s.Out, uid)
	return 0
}

func uname(s Streams, args []string) int {
	o := parse(s, args, "asnrvmo", map[string]string{"all": "a"})
	if o.failed {
		return usage(s, "uname [-asnrvmo]")
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fail(s, "uname", "%v", err)
	}
	if len(o.set) == 0 {
		o.set["s"] = ""
	}
	var parts []string
	for _, p := range []struct {
		letter string
		field  []byte
	}{{"s", u.Sysname[:]}, {"n", u.Nodename[:]}, {"r", u.Release[:]}, {"v", u.Version[:]}, {"m", u.Machine[:]}, {"o", []byte("GNU/Linux")}} {
		if o.has(p.letter, "a") {
			parts = append(parts, unix.ByteSliceToString(append(p.field, 0)))
		}
	}
	fmt.Fprintln(s.Out, strings.Join(parts, " "))
	return 0
}

func hostname(s Streams, args []string) int {
	if len(args) > 1 {
		return usage(s, "hostname")
	}
	name, err := os.Hostname()
	if err != nil {
		return fail(s, "hostname", "%v", err)
	}
	fmt.Fprintln(s.Out, name)
	return 0
}

func nproc(s Streams, _ []string) int {
	fmt.Fprintln(s.Out, runtime.NumCPU())
	return 0
}

func which(s Streams, args []string) int {
	status := 0
	for _, a := range args[1:] {
		path, err := exec.LookPath(a)
		if err != nil {
			status = 1
			continue
		}
		fmt.Fprintln(s.Out, path)
	}
	return status
}

func clearScreen(s Streams, _ []string) int {
	fmt.Fprint(s.Out, "\x1b[H\x1b[2J\x1b[3J")
	return 0
}

// kill sends a signal, SIGTERM if none is named.
func kill(s Streams, args []string) int {
	rest, sig := args[1:], unix.SIGTERM
	if len(rest) > 0 && rest[0] == "-l" {
		for n := 1; n < 32; n++ {
			fmt.Fprintf(s.Out, "%d %s\n", n, strings.TrimPrefix(unix.SignalName(syscall.Signal(n)), "SIG"))
		}
		return 0
	}
	if len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "--" {
		name := rest[0][1:]
		if rest = rest[1:]; name == "s" && len(rest) > 0 {
			name, rest = rest[0], rest[1:]
		}
		var ok bool
		if sig, ok = signalNamed(name); !ok {
			return fail(s, "kill", "unknown signal %q", name)
		}
	}
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return usage(s, "kill [-SIGNAL] PID...")
	}
	status := 0
	for _, a := range rest {
		pid, err := strconv.Atoi(a)
		if err != nil {
			status = fail(s, "kill", "%q is not the id of a running process", a)
			continue
		}
		if err := unix.Kill(pid, sig); err != nil {
			status = fail(s, "kill", "%d: %v", pid, err)
		}
	}
	return status
}

// signalNamed understands 9, KILL and SIGKILL.
func signalNamed(name string) (syscall.Signal, bool) {
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < 65 {
		return syscall.Signal(n), true
	}
	sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	return sig, sig != 0
}

// timeout runs a command and ends it when its time is over; the status is 124 then.
func timeout(s Streams, args []string) int {
	o := parse(s, beforeCommand(args, 1), "s:k:", map[string]string{"signal": "s", "kill-after": "k"})
	if o.failed || len(args) < 3 || len(o.rest) < 1 {
		return usage(s, "timeout [-s SIGNAL] SECONDS COMMAND [ARG]...")
	}
	limit, err := sleepTime(o.rest[0])
	sig, ok := unix.SIGTERM, true
	if name := o.set["s"]; name != "" {
		sig, ok = signalNamed(name)
	}
	command := args[len(beforeCommand(args, 1)):]
	if err != nil || !ok || len(command) == 0 {
		return usage(s, "timeout [-s SIGNAL] SECONDS COMMAND [ARG]...")
	}
	return runLimited(s, command, limit, sig)
}

// beforeCommand is the part of args that belongs to the applet: its options and the
// first n operands.
func beforeCommand(args []string, n int) []string {
	for i := 1; i < len(args); i++ {
		switch {
		case args[i] == "-s" || args[i] == "-k":
			i++
		case strings.HasPrefix(args[i], "-"):
		default:
			if n--; n == 0 {
				return args[:i+1]
			}
		}
	}
	return args
}

func runLimited(s Streams, command []string, limit time.Duration, sig syscall.Signal) int {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	if err := cmd.Start(); err != nil {
		fail(s, "timeout", "cannot start %s: %v", command[0], why(err))
		return 127
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	over := time.NewTimer(limit)
	defer over.Stop()
	expired := false
	for {
		select {
		case n := <-signals:
			_ = cmd.Process.Signal(n)
		case <-over.C:
			expired = true
			_ = cmd.Process.Signal(sig)
		case err := <-done:
			if expired {
				return 124
			}
			return commandStatus(err)
		}
	}
}

// commandStatus is the status by which a shell reports the end of a command.
func commandStatus(err error) int {
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 127
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return exit.ExitCode()
}
