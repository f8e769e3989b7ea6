package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/config/layered"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/store"
)

// Streams are where Main writes.
type Streams struct{ Out, Err io.Writer }

// Main runs the command line of wsd and returns its exit status, which follows the
// kind of the error (see fault).
func Main(ctx context.Context, args []string, version string, s Streams) int {
	cmd := newRoot(version, s)
	cmd.SetArgs(args)
	cmd.SetOut(s.Out)
	cmd.SetErr(s.Err)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	f := fault.From(err)
	text := f.Text
	if f.Kind == fault.Internal {
		text = err.Error()
	}
	fmt.Fprintf(s.Err, "wsd: %s\n", text)
	if f.Hint != "" {
		fmt.Fprintf(s.Err, "  hint: %s\n", f.Hint)
	}
	return fault.ClassOf(f.Kind).Exit
}

func newRoot(version string, s Streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "wsd",
		Short: "The daemon that owns workspaces",
		Long: "wsd owns containers, ports and timers of development workspaces. It is usually started by\n" +
			"wsctl, which is what people use, or by systemd. It is configured by a file and by WSD_ variables:\n" +
			"see `wsctl config explain`.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	root.CompletionOptions.DisableDefaultCmd = true // people complete wsctl
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fault.New(fault.Usage, "usage", "%v", err).WithHint("see `wsd --help`")
	})
	root.AddCommand(newServe(version, s), newVerify(s), newRestore(s))
	return root
}

func newServe(version string, s Streams) *cobra.Command {
	var newInstance bool
	var file string
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Run the daemon until SIGTERM",
		Example: "  wsd serve\n  WSD_LOG_LEVEL=debug wsd serve --config ./wsd.toml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			syscall.Umask(0o077)
			economize()
			cfg, _, err := layered.Load(config.ProcessSources(file, nil))
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			return Run(cmd.Context(), Options{
				Config: cfg, Log: logger(s.Err, cfg.Log), Version: version, Check: CheckWith(self), NewInstance: newInstance,
			})
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration `file` (see docs/configuration.md)")
	cmd.Flags().BoolVar(&newInstance, "new-instance", false, "start empty although workspaces of a lost store exist")
	return cmd
}

// economize trades a little of the processor's time for memory: a daemon that waits
// nearly always should be small. With 1,000 workspaces this saves a third of its heap.
func economize() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// logger writes for people on a terminal and plain lines or JSON elsewhere.
func logger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly}))
}

func newVerify(s Streams) *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:     "verify FILE",
		Short:   "Check a store or a backup of one, reading every value",
		Example: "  wsd verify /var/lib/wsd/wsd.db",
		Args:    exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return fault.New(fault.NotFound, "file_not_found", "there is no file %s", args[0])
			}
			report, err := verify(args[0], quick)
			if err != nil {
				return err
			}
			if quick {
				return nil
			}
			enc := json.NewEncoder(s.Out)
			enc.SetIndent("", "  ")
			if err := enc.Encode(report); err != nil {
				return err
			}
			if len(report.Problems) > 0 {
				return fault.New(fault.Internal, "store_damaged", "%d problems were found, the first: %s", len(report.Problems), report.Problems[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "only what would keep the daemon from starting; prints nothing when all is well")
	return cmd
}

func newRestore(s Streams) *cobra.Command {
	var force bool
	var file string
	cmd := &cobra.Command{
		Use:     "restore BACKUP",
		Short:   "Put a backup in place of the store, while wsd does not run",
		Example: "  wsd restore wsd-2026-01-31.backup",
		Args:    exactly(1),
		RunE: func(_ *cobra.Command, args []string) error {
			syscall.Umask(0o077)
			cfg, _, err := layered.Load(config.ProcessSources(file, nil))
			if err != nil {
				return err
			}
			if err := restore(cfg, args[0], force); err != nil {
				return err
			}
			fmt.Fprintln(s.Out, "restored", storePath(cfg))
			return nil
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace a store that has workspaces; it is kept beside as .before-restore")
	cmd.Flags().StringVar(&file, "config", "", "configuration `file`")
	return cmd
}

func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return fault.New(fault.Usage, "usage", "%v", err).WithHint("see `wsd %s --help`", cmd.Name())
		}
		return nil
	}
}

func restore(cfg config.Config, backup string, force bool) (err error) {
	if err := os.MkdirAll(cfg.StateDir, 0o700); err != nil {
		return err
	}
	lock, err := store.Lock(cfg.StateDir, "wsd restore")
	if err != nil {
		return err
	}
	defer func() {
		if e := lock.Release(); err == nil {
			err = e
		}
	}()
	return store.Restore(backup, storePath(cfg), force)
}
