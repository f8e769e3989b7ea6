package applet

import (
	"os"

	"github.com/u-root/u-root/pkg/core"
	"github.com/u-root/u-root/pkg/core/base64"
	"github.com/u-root/u-root/pkg/core/cat"
	"github.com/u-root/u-root/pkg/core/chmod"
	"github.com/u-root/u-root/pkg/core/cp"
	"github.com/u-root/u-root/pkg/core/mkdir"
	"github.com/u-root/u-root/pkg/core/mktemp"
	"github.com/u-root/u-root/pkg/core/mv"
	"github.com/u-root/u-root/pkg/core/rm"
	"github.com/u-root/u-root/pkg/core/touch"
)

// uroot runs the applet of that name from u-root.
func uroot(s Streams, args []string) int {
	cmd := urootCommand(args[0])
	cmd.SetIO(s.In, s.Out, s.Err)
	cmd.SetLookupEnv(os.LookupEnv)
	if err := cmd.Run(args[1:]...); err != nil {
		return fail(s, args[0], "%v", err)
	}
	return 0
}

func urootCommand(name string) core.Command {
	switch name {
	case "base64":
		return base64.New()
	case "cat":
		return cat.New()
	case "chmod":
		return chmod.New()
	case "cp":
		return cp.New()
	case "mkdir":
		return mkdir.New()
	case "mktemp":
		return mktemp.New()
	case "mv":
		return mv.New()
	case "rm":
		return rm.New()
	}
	return touch.New()
}
