package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/fault"
)

// usage returns an error of the command line itself: exit status 2.
func usage(cmd *cobra.Command, format string, args ...any) *fault.Error {
	return fault.New(fault.Usage, "usage", format, args...).WithHint("see `%s --help`", cmd.CommandPath())
}

// called is how a message names a command: without the program's name before it.
func called(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.Name()
	}
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")
}

// flagError words what pflag found wrong.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return unknownFlag(cmd, "-"+unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		return unknownFlag(cmd, "--"+unknown.GetSpecifiedName())
	case errors.As(err, &missing):
		return usage(cmd, "the flag --%s needs a value", missing.GetSpecifiedName())
	case errors.As(err, &invalid):
		return invalidFlag(cmd, invalid)
	}
	return usage(cmd, "%s", err)
}

// unknownFlag says what was meant, as far as that can be guessed.
func unknownFlag(cmd *cobra.Command, flag string) *fault.Error {
	e := usage(cmd, "%s has no flag %s", called(cmd), flag)
	name, long := strings.CutPrefix(flag, "--")
	near := ""
	if long {
		near = nearestFlag(cmd, name)
	}
	switch {
	case near != "":
		return e.WithHint("did you mean --%s?", near)
	case !cmd.HasParent() && (name == "version" || flag == "-v" || flag == "-V"):
		return e.WithHint("did you mean `%s version`?", cmd.Name())
	case strings.Contains(cmd.Use, "-- COMMAND"):
		return e.WithHint("flags of the COMMAND stand behind two dashes; see `%s --help`", cmd.CommandPath())
	}
	return e
}

// invalidFlag keeps what the value's own parser said.
func invalidFlag(cmd *cobra.Command, err *pflag.InvalidValueError) error {
	name := err.GetFlag().Name
	var f *fault.Error
	if errors.As(err.Unwrap(), &f) {
		e := *f
		e.Kind, e.Text = fault.Usage, "--"+name+": "+f.Text
		e.Err = nil
		return &e
	}
	return usage(cmd, "%.80q is not a valid value of --%s", err.GetValue(), name).
		WithHint("it takes %s; see `%s --help`", valueWord(err.GetFlag()), cmd.CommandPath())
}

func valueWord(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "int", "int64", "uint64", "uint16":
		return "a whole number"
	}
	return "a " + f.Value.Type()
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return nearest(name, names)
}

// nearest returns the candidate that a slip of the fingers turns into word, or "".
func nearest(word string, candidates []string) string {
	most := max(2, len(word)/3)
	best, bestCost := "", most+1
	for _, c := range candidates {
		cost := fault.Edits(word, c, most)
		if len(word) >= 3 && strings.HasPrefix(c, word) {
			cost = min(cost, 1)
		}
		if cost < bestCost {
			best, bestCost = c, cost
		}
	}
	return best
}

// takes checks the number of arguments; what names them in the message. A max below
// zero is no bound.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "%s needs %s", called(cmd), what)
		case most == 0 && len(args) > 0:
			return usage(cmd, "%s takes no arguments, but got %.60q", called(cmd), args[0])
		case most > 0 && len(args) > most:
			return usage(cmd, "%.60q is too much: %s takes %s", args[most], called(cmd), what)
		}
		return nil
	}
}

// groupRun is the run function of a command that only holds others.
func groupRun(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
			names = append(names, c.Aliases...)
		}
	}
	e := usage(cmd, "%s has no command %.60q", called(cmd), args[0])
	if near := nearest(args[0], names); near != "" {
		e = e.WithHint("did you mean `%s %s`?", cmd.CommandPath(), near)
	}
	return e
}
