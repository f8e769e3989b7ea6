package daemon

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/wsctl/wsctl/internal/fault"
)

// installAgent keeps a copy of the agent's program under a name that follows its bytes,
// and returns a path that leads to the newest: what runs does not change when wsd is
// upgraded, and a container that is started again gets the newer agent, because the
// engine follows the link at each start.
func installAgent(stateDir, version string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program's own file: %w", err)
	}
	from, info, err := agentProgram(self)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256(fmt.Append(nil, version, info.Size(), info.ModTime().UnixNano()))
	name := hex.EncodeToString(key[:8])
	dir := filepath.Join(stateDir, "agent")
	path := filepath.Join(dir, name, "wsd")
	if have, err := os.Stat(path); err != nil || have.Size() != info.Size() {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := copyProgram(from, path); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "current", "wsd"), pointTo(name, filepath.Join(dir, "current"))
}

// pointTo makes link lead to target, in one step.
func pointTo(target, link string) error {
	if have, err := os.Readlink(link); err == nil && have == target {
		return nil
	}
	tmp := link + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, link)
}

// agentProgram is wsd-agent beside wsd or in the libexec folder of the same installation,
// else wsd itself, which can do the same and is larger.
func agentProgram(wsd string) (path string, info os.FileInfo, err error) {
	self, err := filepath.EvalSymlinks(wsd)
	if err != nil {
		return "", nil, fmt.Errorf("cannot find this program's own file: %w", err)
	}
	dir := filepath.Dir(self)
	for _, small := range []string{filepath.Join(dir, "wsd-agent"), filepath.Join(dir, "..", "libexec", "wsd", "wsd-agent")} {
		if info, err := os.Stat(small); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return small, info, nil
		}
	}
	info, err = os.Stat(self)
	if err != nil {
		return "", nil, fmt.Errorf("cannot look at this program's own file: %w", err)
	}
	return self, info, nil
}

// checkStatic refuses a program that needs a loader and libraries: those of this machine are
// not in a workspace, where the kernel would say that the agent is not there.
func checkStatic(path string) error {
	program, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read the program of the agent: %w", err)
	}
	defer program.Close()
	if !slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil
	}
	return fault.New(fault.Unsupported, "agent_dynamic", "wsd-agent was built to need libraries of this machine, which workspaces do not have").
		WithHint("build wsd and wsd-agent with CGO_ENABLED=0, as `make build` does")
}

func copyProgram(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.CreateTemp(filepath.Dir(to), ".wsd-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(dst.Name()))
		}
	}()
	if _, err := io.Copy(dst, src); err != nil {
		return errors.Join(err, dst.Close())
	}
	if err := errors.Join(dst.Chmod(0o755), dst.Sync(), dst.Close()); err != nil {
		return err
	}
	return os.Rename(dst.Name(), to)
}
