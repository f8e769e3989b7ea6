package serve

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/creack/pty"
)

// merged returns env with the entries of over in place of its own.
func merged(env, over []string) []string {
	out := slices.Clone(env)
	for _, kv := range over {
		key, _, ok := strings.Cut(kv, "=")
		if !ok || key == "" || strings.ContainsRune(kv, 0) {
			continue
		}
		out = slices.DeleteFunc(out, func(have string) bool { return strings.HasPrefix(have, key+"=") })
		out = append(out, kv)
	}
	return out
}

func lookup(env []string, key string) string {
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}

// withTerm names the terminal for those who did not.
func withTerm(env []string, tty bool) []string {
	if tty && lookup(env, "TERM") == "" {
		return append(env, "TERM=xterm-256color")
	}
	return env
}

// shell returns the user's shell, as a login shell: the one that SHELL names, the one in
// passwd, an ordinary one, and in an image without any the agent's own.
func (s *Server) shell(env []string) (path string, argv []string) {
	for _, candidate := range []string{lookup(env, "SHELL"), passwdShell("/etc/passwd", os.Getuid()), "/bin/bash", "/bin/sh"} {
		if executable(candidate) && !own(candidate) {
			return candidate, []string{"-" + filepath.Base(candidate)}
		}
	}
	self, _ := s.applet("sh")
	return self, []string{"wsd", "agent-applet", "sh"}
}

// own reports whether path is a link to this program, whose applets have other names than
// a login shell.
func own(path string) bool {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && os.SameFile(self, info)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && filepath.IsAbs(path) && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !strings.HasSuffix(path, "nologin")
}

// passwdShell is the shell of the user uid in a passwd file, "" if it has none.
func passwdShell(file string, uid int) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 7 && fields[2] == strconv.Itoa(uid) {
			return fields[6]
		}
	}
	return ""
}

// applet returns the agent's own program where it provides name.
func (s *Server) applet(name string) (path string, ok bool) {
	if s.o.Applet == nil || !s.o.Applet(name) {
		return "", false
	}
	path, err := os.Executable()
	return path, err == nil
}

// openPTY opens a terminal for c and returns the end that the command gets.
func (c *command) openPTY(cols, rows uint16) (*os.File, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	if err := resize(master, cols, rows); err != nil {
		return nil, errors.Join(err, master.Close(), slave.Close())
	}
	c.pty = master
	return slave, nil
}

// resize sets the size of a terminal; 0 is 80 by 24.
func resize(f *os.File, cols, rows uint16) error {
	if cols == 0 {
		cols = 80
	}
	if rows == 0 {
		rows = 24
	}
	return pty.Setsize(f, &pty.Winsize{Cols: cols, Rows: rows})
}
