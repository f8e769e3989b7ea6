package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
)

// doctorOptions is empty: doctor takes no flags of its own.
type doctorOptions struct{}

func newDoctorCmd(f *Factory, runF func(context.Context, *doctorOptions) error) *cobra.Command {
	o := &doctorOptions{}
	if runF == nil {
		runF = func(ctx context.Context, _ *doctorOptions) error { return runDoctor(ctx, f) }
	}
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check that everything works here",
		Long: `Checks settings, programs, socket, wsd, the container engine and the ports, and says
what to do about each finding. It starts wsd if needed. Exit status 0: nothing
fails; 1: something does; 5: wsd cannot be reached.`,
		Example: "  wsctl doctor\n  wsctl doctor --json | jq '.checks[] | select(.status!=\"ok\")'",
		Args:    takes(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
}

// Words of a check's status.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

func runDoctor(ctx context.Context, f *Factory) error {
	checks, reached := f.localChecks(ctx)
	if reached != nil {
		d, err := reached.Doctor(ctx)
		if err != nil {
			checks = append(checks, failed("wsd's checks", err))
		}
		checks = append(checks, d.Checks...)
	}
	if ctx.Err() != nil {
		return fault.From(context.Cause(ctx))
	}
	if err := f.result(api.Doctor{Checks: checks}, func(out io.Writer) error { return f.writeChecks(out, checks) }); err != nil {
		return err
	}
	switch {
	case reached == nil:
		return exitStatus(fault.ClassOf(fault.Unavailable).Exit)
	case worst(checks) == checkFail:
		return exitStatus(1)
	}
	return nil
}

// localChecks are those that wsctl can make; the client is nil if wsd is not there.
func (f *Factory) localChecks(ctx context.Context) ([]api.Check, *client.Client) {
	var checks []api.Check
	found, err := f.Config()
	if err != nil {
		return append(checks, failed("settings", err)), nil
	}
	origins := found.Origins
	checks = append(checks, settingsCheck(origins.File, origins.Found, origins.Warnings))
	s, err := f.Settings()
	if err != nil {
		return append(checks, failed("settings", err)), nil
	}
	checks = append(checks, programCheck(s))
	c, err := f.Client(ctx)
	if err != nil {
		return append(checks, failed("wsd", err)), nil
	}
	checks = append(checks, socketCheck(s.Socket))
	st, err := contacted(ctx, c)
	if err != nil {
		return append(checks, failed("wsd", err)), nil
	}
	return append(checks, f.versionCheck(st, c)), c
}

// contacted returns the status of wsd, after it has had the time to hear from the
// container engine: one that was just started does not know yet.
func contacted(ctx context.Context, c *client.Client) (api.Status, error) {
	const tries, every = 30, 100 * time.Millisecond
	for try := 1; ; try++ {
		st, err := c.Status(ctx)
		if err != nil || !st.Engine.Since.IsZero() || try == tries {
			return st, err
		}
		select {
		case <-ctx.Done():
			return st, context.Cause(ctx)
		case <-time.After(every):
		}
	}
}

func settingsCheck(file string, found bool, warnings []string) api.Check {
	c := api.Check{Name: "settings", Status: checkOK, Detail: "defaults; there is no " + file}
	if found {
		c.Detail = "read from " + file
	}
	if len(warnings) > 0 {
		c.Status, c.Detail, c.Hint = checkWarn, warnings[0], "see `wsctl config explain`"
	}
	return c
}

func programCheck(s Settings) api.Check {
	path, err := s.Binary, error(nil)
	if path == "" {
		path, err = client.FindDaemon()
	}
	if err != nil {
		c := failed("wsd program", err)
		c.Status = checkWarn // a unit of systemd may run it all the same
		return c
	}
	return api.Check{Name: "wsd program", Status: checkOK, Detail: path}
}

// socketCheck looks at who may use the socket: whoever may is root in effect.
func socketCheck(path string) api.Check {
	c := api.Check{Name: "socket", Status: checkOK, Detail: path}
	info, err := os.Stat(path)
	dir, errDir := os.Stat(filepath.Dir(path))
	switch {
	case err != nil || errDir != nil:
		c.Status, c.Detail = checkWarn, path+" cannot be looked at"
	case info.Mode().Perm()&0o077 != 0 && dir.Mode().Perm()&0o077 != 0:
		c.Status, c.Detail = checkFail, fmt.Sprintf("%s can be used by others (mode %o)", path, info.Mode().Perm())
		c.Hint = "restart wsd, which sets the mode to 600: wsctl daemon stop && wsctl daemon start"
	}
	return c
}

func (f *Factory) versionCheck(st api.Status, c *client.Client) api.Check {
	check := api.Check{Name: "versions", Status: checkOK, Detail: fmt.Sprintf("wsctl %s, wsd %s", f.version(), st.Version)}
	switch {
	case c.NewerServer():
		check.Status, check.Hint = checkWarn, "wsd speaks a newer API; update wsctl"
	case st.Version != f.version():
		// After an update the old one runs on until somebody restarts it.
		check.Status, check.Hint = checkWarn, "restart wsd, workspaces run on: wsctl daemon stop && wsctl daemon start"
	}
	return check
}

// failed turns an error into a finding.
func failed(name string, err error) api.Check {
	e := fault.From(err)
	return api.Check{Name: name, Status: checkFail, Detail: e.Text, Hint: e.Hint}
}

func worst(checks []api.Check) string {
	status := checkOK
	for _, c := range checks {
		if c.Status == checkFail || (c.Status == checkWarn && status == checkOK) {
			status = c.Status
		}
	}
	return status
}

func (f *Factory) writeChecks(out io.Writer, checks []api.Check) error {
	p := f.outPalette()
	colours := map[string]render.Colour{checkOK: render.Good, checkWarn: render.Busy, checkFail: render.Bad}
	const indent = "      "
	for _, c := range checks {
		said := render.Escape(c.Name) + ": " + escapeLines(c.Detail) + "\n"
		if f.width() > 0 {
			said = wrap(said, f.width(), indent)[len(indent):]
		}
		if c.Hint != "" && c.Status != checkOK {
			said += wrap(escapeLines(c.Hint), f.width(), indent)
		}
		if _, err := fmt.Fprintf(out, "%s  %s", p.Paint(colours[c.Status], fmt.Sprintf("%-4s", render.Escape(c.Status))), said); err != nil {
			return err
		}
	}
	return nil
}
