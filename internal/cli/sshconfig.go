package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// sshSuffix ends the host name by which ssh knows a workspace.
const sshSuffix = ".wsd"

// The lines that wsctl adds to a person's own configuration of ssh.
const (
	sshBegin = "# begin: workspaces of wsctl"
	sshEnd   = "# end: workspaces of wsctl"
)

// sshConfigOptions are the flags of ssh-config.
type sshConfigOptions struct{ Write, Remove bool }

func newSSHConfigCmd(f *Factory, runF func(context.Context, *sshConfigOptions) error) *cobra.Command {
	o := &sshConfigOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *sshConfigOptions) error { return runSSHConfig(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:   "ssh-config",
		Short: "Let ssh, scp, sftp, rsync and editors connect",
		Long: `Prints the lines that let OpenSSH, and every program that uses it, reach the workspace
demo as the host demo.wsd. With --write they go into a file of their own, which
~/.ssh/config includes from then on; --remove undoes that.

The lines hold for every workspace, also for those made later. Run --write again to
have editors list new ones. Host keys are pinned: ssh gets each workspace's key from wsd
and accepts no other.`,
		Example: `  wsctl ssh-config --write
  ssh demo.wsd
  rsync -a src/ demo.wsd:src/
  code --remote ssh-remote+demo.wsd /workspace
  wsctl ssh-config --remove`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.Write && o.Remove {
				return usage(cmd, "--write and --remove exclude each other")
			}
			return takes(0, 0, "")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.Write, "write", false, "put them into place")
	cmd.Flags().BoolVar(&o.Remove, "remove", false, "take them away again")
	return cmd
}

// sshResult is what ssh-config prints as JSON.
type sshResult struct {
	Config string `json:"config,omitempty"` // the lines
	File   string `json:"file"`             // where they are, or would be
	Main   string `json:"main"`             // the file that includes them
	State  string `json:"state"`            // printed, written or removed
}

func runSSHConfig(ctx context.Context, f *Factory, o *sshConfigOptions) error {
	s, err := f.sshSetup()
	if err != nil {
		return err
	}
	if o.Remove {
		if err := s.remove(); err != nil {
			return err
		}
		return f.result(sshResult{File: s.file(), Main: s.main, State: "removed"}, func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "ssh does not know workspaces any more\n")
			return err
		})
	}
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	list, err := c.Brief(ctx, api.Filter{})
	if err != nil {
		return err
	}
	var names []string
	for _, w := range list.Workspaces {
		names = append(names, w.Name)
	}
	text := s.text(names)
	if !o.Write {
		return f.result(sshResult{Config: text, File: s.file(), Main: s.main, State: "printed"}, func(out io.Writer) error {
			_, err := io.WriteString(out, text)
			return err
		})
	}
	if err := s.write(text); err != nil {
		return err
	}
	return f.result(sshResult{Config: text, File: s.file(), Main: s.main, State: "written"}, func(out io.Writer) error {
		_, err := fmt.Fprintf(out, "ssh knows workspaces as NAME%s; try: ssh %s%s\n", sshSuffix, firstOr(names, "demo"), sshSuffix)
		return err
	})
}

func firstOr(names []string, other string) string {
	if len(names) == 0 {
		return other
	}
	return names[0]
}

// sshSetup is how ssh reaches workspaces.
type sshSetup struct {
	proxy []string // the command, without the host
	dir   string   // of our own files
	main  string   // the person's own configuration
}

func (f *Factory) sshSetup() (sshSetup, error) {
	self, err := os.Executable()
	if err != nil {
		return sshSetup{}, fault.New(fault.Internal, "self", "this program's own file cannot be found").WithCause(err)
	}
	home := f.Streams.Env("HOME")
	if !filepath.IsAbs(home) {
		return sshSetup{}, fault.New(fault.Usage, "no_home", "HOME is not set to a folder, so there is no place for ssh's files").
			WithHint("set HOME")
	}
	dir := f.Streams.Env("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(home, ".config")
	}
	s := sshSetup{proxy: []string{self}, dir: filepath.Join(dir, "wsctl", "ssh"), main: filepath.Join(home, ".ssh", "config")}
	if f.flags != nil && f.flags.Changed("socket") {
		found, err := f.Settings()
		if err != nil {
			return s, err
		}
		s.proxy = append(s.proxy, "--socket", found.Socket)
	}
	if f.ConfigFile != "" {
		path, err := filepath.Abs(f.ConfigFile)
		if err != nil {
			return s, err
		}
		s.proxy = append(s.proxy, "--config", path)
	}
	if strings.ContainsAny(s.dir+strings.Join(s.proxy, ""), "\"\n") {
		return s, fault.New(fault.Unsupported, "ssh_path", "ssh cannot be given a path with a quote or a line break, such as %.80q", s.dir)
	}
	return s, nil
}

func (s sshSetup) file() string { return filepath.Join(s.dir, "config") }

// keys is the folder of pinned host keys, one file a host, so that two connections never
// write the same one.
func (s sshSetup) keys() string { return filepath.Join(s.dir, "known_hosts") }

// options are the lines of a host, as ssh_config(5) has them.
func (s sshSetup) options() []string {
	words := make([]string, 0, len(s.proxy))
	for _, w := range s.proxy {
		words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	percent := strings.NewReplacer("%", "%%")
	return []string{
		"ProxyCommand " + percent.Replace(strings.Join(words, " ")) + " ssh --stdio %n",
		"User dev",
		`UserKnownHostsFile "` + percent.Replace(s.keys()) + `/%n"`,
		"GlobalKnownHostsFile /dev/null",
		"StrictHostKeyChecking yes",
		"UpdateHostKeys no",
	}
}

// text is the whole file. Names stand in it for programs that list hosts.
func (s sshSetup) text(names []string) string {
	var b strings.Builder
	b.WriteString("# Made by `wsctl ssh-config`; it is written anew by --write.\nHost")
	for _, n := range append(slices.Clone(names), "*") {
		b.WriteString(" " + n + sshSuffix)
	}
	b.WriteString("\n")
	for _, l := range s.options() {
		b.WriteString("  " + l + "\n")
	}
	return b.String()
}

// pin keeps the host key of a workspace for ssh.
func (s sshSetup) pin(name, key string) error {
	return replaceFile(filepath.Join(s.keys(), name+sshSuffix), []byte(name+sshSuffix+" "+key+"\n"), 0o600)
}

// write puts text into our file and makes the person's configuration include it.
func (s sshSetup) write(text string) error {
	if err := replaceFile(s.file(), []byte(text), 0o600); err != nil {
		return err
	}
	old, mode, err := s.readMain()
	if err != nil {
		return err
	}
	block := sshBegin + "\nInclude \"" + s.file() + "\"\n" + sshEnd + "\n"
	rest := withoutBlock(old)
	if len(rest) > 0 && rest[0] != '\n' {
		block += "\n"
	}
	now := append([]byte(block), rest...) // at the top: further down it would belong to a Host
	if bytes.Equal(now, old) {
		return nil
	}
	return replaceFile(s.main, now, mode)
}

// remove takes our lines and files away.
func (s sshSetup) remove() error {
	old, mode, err := s.readMain()
	if err != nil {
		return err
	}
	if rest := withoutBlock(old); !bytes.Equal(rest, old) {
		if err := replaceFile(s.main, bytes.TrimPrefix(rest, []byte("\n")), mode); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fault.New(fault.Internal, "ssh_files", "%s cannot be removed", s.dir).WithCause(err)
	}
	return nil
}

func (s sshSetup) readMain() ([]byte, fs.FileMode, error) {
	b, err := os.ReadFile(s.main)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0o600, nil
	}
	if err != nil {
		return nil, 0, fault.New(fault.Denied, "ssh_config", "%s cannot be read", s.main).WithCause(err)
	}
	info, err := os.Stat(s.main)
	if err != nil {
		return nil, 0, fault.New(fault.Denied, "ssh_config", "%s cannot be read", s.main).WithCause(err)
	}
	return b, info.Mode().Perm(), nil
}

// withoutBlock is a configuration less our lines.
func withoutBlock(text []byte) []byte {
	begin := bytes.Index(text, []byte(sshBegin+"\n"))
	if begin < 0 || begin > 0 && text[begin-1] != '\n' {
		return text
	}
	end := bytes.Index(text[begin:], []byte(sshEnd+"\n"))
	if end < 0 {
		return text
	}
	return slices.Concat(text[:begin], text[begin+end+len(sshEnd)+1:])
}

// replaceFile writes a file in one step, and its folders where they are missing. A link
// stays, and its target is replaced.
func replaceFile(path string, content []byte, mode fs.FileMode) (err error) {
	if real, lerr := filepath.EvalSymlinks(path); lerr == nil {
		path = real
	}
	defer func() {
		if err != nil {
			err = fault.New(fault.Denied, "cannot_write", "%s cannot be written", path).WithCause(err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".wsctl-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone once it is renamed
	_, err = tmp.Write(content)
	if err := errors.Join(err, tmp.Chmod(mode), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
