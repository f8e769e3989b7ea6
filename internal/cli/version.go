package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
	"github.com/wsctl/wsctl/internal/render"
)

// version is the release, or what the build knows of its source.
func (f *Factory) version() string {
	if f.Streams.Version != "" {
		return f.Streams.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}

// versionOptions are the flags of version.
type versionOptions struct{ Short bool }

// versionResult is what version --json prints.
type versionResult struct {
	Version string         `json:"version"`
	API     string         `json:"api"`
	Go      string         `json:"go"`
	Daemon  *daemonVersion `json:"daemon,omitempty"` // absent when it does not run
}

type daemonVersion struct {
	Version string `json:"version"`
	API     string `json:"api"`
}

func newVersionCmd(f *Factory, runF func(context.Context, *versionOptions) error) *cobra.Command {
	o := &versionOptions{}
	if runF == nil {
		runF = func(ctx context.Context, o *versionOptions) error { return runVersion(ctx, f, o) }
	}
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the versions of wsctl and wsd",
		Long:    `Shows the version of wsctl and, if wsd runs, of wsd. It does not start wsd.`,
		Example: "  wsctl version\n  wsctl version --short",
		Args:    takes(0, 0, ""),
		RunE:    func(cmd *cobra.Command, _ []string) error { return runF(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.Short, "short", false, "only wsctl's version")
	return cmd
}

func runVersion(ctx context.Context, f *Factory, o *versionOptions) error {
	res := versionResult{Version: f.version(), API: api.Version, Go: runtime.Version()}
	if o.Short {
		return f.result(res, func(out io.Writer) error { _, err := fmt.Fprintln(out, res.Version); return err })
	}
	if s, err := f.Settings(); err == nil && !s.noSocket() {
		ctx, cancel := context.WithTimeout(ctx, completionTime)
		defer cancel()
		c := client.New(client.Options{Socket: s.Socket, Retry: client.RetryPolicy{Attempts: 1}})
		if st, err := c.Status(ctx); err == nil {
			res.Daemon = &daemonVersion{st.Version, st.API}
		}
	}
	return f.result(res, func(out io.Writer) error {
		daemon := "not running"
		if res.Daemon != nil {
			daemon = res.Daemon.Version + " (api " + res.Daemon.API + ")"
		}
		_, err := fmt.Fprintf(out, "wsctl %s (api %s, %s)\nwsd   %s\n", res.Version, res.API, res.Go, render.Escape(daemon))
		return err
	})
}
