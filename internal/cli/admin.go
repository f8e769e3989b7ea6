package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

func newAdminCmd(f *Factory) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Back up, check and restore wsd's store",
		Long: `wsd keeps its workspaces, jobs and events in one file. These commands copy it, check a
copy, and put one back. Files inside workspaces are not part of it.`,
		Example: "  wsctl admin backup wsd.bak\n  wsctl admin verify wsd.bak",
		Args:    cobra.ArbitraryArgs,
		RunE:    groupRun,
	}
	cmd.AddCommand(newBackupCmd(f), newVerifyCmd(f), newRestoreCmd(f))
	return cmd
}

func newBackupCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the store while wsd runs, and check the copy",
		Long: `Copies the store of the running wsd to FILE, which only you can read, and checks the
copy. An existing FILE is replaced only once the copy is known to be good.`,
		Example: "  wsctl admin backup wsd-$(date +%F).bak",
		Args:    takes(1, 1, "one FILE"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runBackup(cmd.Context(), f, args[0]) },
	}
}

// backupResult is what admin backup --json prints.
type backupResult struct {
	File   string          `json:"file"`
	Bytes  int64           `json:"bytes"`
	Report json.RawMessage `json:"report"`
}

func runBackup(ctx context.Context, f *Factory, path string) error {
	c, err := f.Client(ctx)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".part-*") // mode 0600
	if err != nil {
		return fileFault("write", path, err)
	}
	defer os.Remove(tmp.Name())
	n, err := c.Backup(ctx, tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if err2 := tmp.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return asFileFault(path, err)
	}
	report, err := f.verify(ctx, tmp.Name())
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fileFault("write", path, err)
	}
	return f.result(backupResult{path, n, report}, func(io.Writer) error {
		return f.print("%s: %s, checked\n", render.Escape(path), render.Bytes(n))
	})
}

// asFileFault keeps wsd's errors and words those of the file.
func asFileFault(path string, err error) error {
	var known *fault.Error
	var file *os.PathError
	if errors.As(err, &known) && !errors.As(err, &file) {
		return err
	}
	return fileFault("write", path, err)
}

func newVerifyCmd(f *Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Check a backup or a store that is not in use",
		Long: `Checks every page, record, index and the chain of events of FILE without changing it.
Exit status 1 says that something is damaged.`,
		Example: "  wsctl admin verify wsd.bak --json",
		Args:    takes(1, 1, "one FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			report, err := f.verify(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return f.result(report, func(io.Writer) error { return f.print("%s is intact\n", render.Escape(args[0])) })
		},
	}
}

// verify runs the check in a program of its own: a damaged file can end it.
func (f *Factory) verify(ctx context.Context, path string) (json.RawMessage, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fileFault("read", path, err)
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fileFault("read", path, err)
	}
	out, err := f.daemonCommand(ctx, "verify", full).output()
	if err != nil {
		return nil, programFault(err, out, "damaged", path+" is damaged")
	}
	if !json.Valid(out) {
		return json.RawMessage("{}"), nil
	}
	return out, nil
}

// programFault words a failed wsd program with what it said.
func programFault(err error, out []byte, code, sentence string) error {
	var p *programError
	if !errors.As(err, &p) {
		return err
	}
	e := fault.New(kindOfStatus(p.status), code, "%s", sentence)
	var report struct {
		Problems []string `json:"problems"`
	}
	said, hint := saidBy(p.stderr)
	if json.Unmarshal(out, &report) == nil && len(report.Problems) > 0 {
		said = strings.Join(report.Problems[:min(len(report.Problems), 5)], "\n")
	}
	if said != "" {
		e.Text += ": " + said
	}
	e.Hint = hint
	return e
}

// saidBy splits what wsd prints about an error into its sentence and its hint.
func saidBy(stderr []byte) (said, hint string) {
	said, hint, _ = strings.Cut(strings.TrimSpace(string(stderr)), "\n  hint: ")
	return strings.TrimPrefix(said, "wsd: "), hint
}

// kindOfStatus is a kind that ends with the same status, as wsd's table is wsctl's.
func kindOfStatus(status int) fault.Kind {
	if status <= 1 {
		return fault.Internal
	}
	for _, k := range fault.Kinds() {
		if fault.ClassOf(k).Exit == status {
			return k
		}
	}
	return fault.Internal
}

func newRestoreCmd(f *Factory) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "restore BACKUP",
		Short: "Put a backup in the place of the store; wsd must not run",
		Long: `Puts BACKUP in the place of the store after checking it. wsd must not run. A store that
holds something is replaced only with --force, and kept beside it.`,
		Example: "  wsctl daemon stop\n  wsctl admin restore wsd.bak --force\n  wsctl daemon start",
		Args:    takes(1, 1, "one BACKUP"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runRestore(cmd.Context(), f, args[0], force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "also when the store holds something")
	return cmd
}

func runRestore(ctx context.Context, f *Factory, path string, force bool) error {
	if _, err := os.Stat(path); err != nil {
		return fileFault("read", path, err)
	}
	c, err := f.impatient()
	if err != nil {
		return err
	}
	if _, err := c.Status(ctx); !fault.HasCode(err, "daemon_unreachable") {
		return fault.New(fault.Conflict, "daemon_running", "wsd is running on this store").
			WithHint("stop it first: wsctl daemon stop")
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return fileFault("read", path, err)
	}
	args := []string{"restore", full}
	if force {
		args = append(args, "--force")
	}
	if out, err := f.daemonCommand(ctx, args...).output(); err != nil {
		return programFault(err, out, "restore_failed", "nothing was restored")
	}
	res := struct {
		Restored string `json:"restored"`
	}{path}
	return f.result(res, func(io.Writer) error {
		return f.print("restored from %s; start wsd with: wsctl daemon start\n", render.Escape(path))
	})
}
