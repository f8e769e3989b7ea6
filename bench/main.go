// Command bench compares wsctl and wsd with the plain container engine, in one run
// on one machine, and prints ratios.
//
// Samples of what is compared are taken in turns (A B, then B A), so that a machine
// that gets slower meanwhile slows both. Figures are medians with least and
// greatest. It drives the real programs with a socket and a state directory of its
// own, ends every process by its id and removes what it made at the engine. Every
// loop is bounded in count and every wait in time.
//
// A row that cannot be measured says why, and the exit status is then 1; a goal
// that is missed changes nothing about it, unless -strict is given.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	wsd, wsctl string
	count      int           // samples of each figure
	many       int           // workspaces of the memory and list rows
	stored     int           // workspaces in the store of the start row
	deadlines  int           // of the row of timers
	containers int           // containers that docker ps lists
	logs       int           // MB of output that the dashboard follows
	settle     time.Duration // rest before each sample that makes containers
	limit      time.Duration // whole run
	only       *regexp.Regexp
	json       bool
	strict     bool
}

func main() {
	if os.Getenv(readerEnv) != "" && len(os.Args) == 4 {
		if err := readSockets(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	code := run(ctx, s)
	cancel()
	stop()
	os.Exit(code)
}

func parse(args []string) (settings, error) {
	var s settings
	var only string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&s.wsd, "wsd", "bin/wsd", "the daemon")
	fs.StringVar(&s.wsctl, "wsctl", "bin/wsctl", "the command line")
	fs.IntVar(&s.count, "n", 15, "samples of each figure, 1 to 1000")
	fs.IntVar(&s.many, "many", 1000, "workspaces of the rows about many, 100 to 1000")
	fs.IntVar(&s.deadlines, "deadlines", 10_000, "deadlines of the row about timers, 100 to 15000")
	fs.IntVar(&s.stored, "stored", 10_000, "workspaces in the store of the start row, 1 to 50000")
	fs.IntVar(&s.containers, "containers", 100, "containers that docker ps lists, 1 to 1000")
	fs.IntVar(&s.logs, "logs", 1000, "MB (10^6 bytes) of output that the dashboard follows, 200 to 10000")
	fs.DurationVar(&s.settle, "settle", 500*time.Millisecond, "rest before each sample that makes or starts a container")
	fs.DurationVar(&s.limit, "limit", 20*time.Minute, "bound of the whole run")
	fs.StringVar(&only, "only", "", "groups to run, a regular expression over "+groupNames())
	fs.BoolVar(&s.json, "json", false, "print JSON instead of a table")
	fs.BoolVar(&s.strict, "strict", false, "exit with status 1 when a goal is missed")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	var err error
	if s.only, err = regexp.Compile(only); err != nil {
		return s, fmt.Errorf("-only is no regular expression: %w", err)
	}
	return s, s.check(fs.NArg())
}

func (s settings) check(args int) error {
	switch {
	case args > 0:
		return errors.New("there are arguments beside the flags")
	case s.count < 1 || s.count > 1000:
		return errors.New("-n must be 1 to 1000")
	case s.many < 100 || s.many > 1000:
		return errors.New("-many must be 100 to 1000")
	case s.deadlines < 100 || s.deadlines > 15_000:
		return errors.New("-deadlines must be 100 to 15000")
	case s.stored < 1 || s.stored > 50_000:
		return errors.New("-stored must be 1 to 50000")
	case s.containers < 1 || s.containers > 1000:
		return errors.New("-containers must be 1 to 1000")
	case s.logs < 200 || s.logs > 10_000:
		return errors.New("-logs must be 200 to 10000")
	case s.settle < 0 || s.settle > time.Minute:
		return errors.New("-settle must be 0s to 1m")
	}
	for _, program := range []string{s.wsd, s.wsctl} {
		if _, err := os.Stat(program); err != nil {
			return fmt.Errorf("%w; run make build first, or name it by -wsd and -wsctl", err)
		}
	}
	return nil
}

// run measures group after group and prints what there is, even when interrupted.
func run(ctx context.Context, s settings) int {
	var rows []Row
	for _, g := range groups() {
		if !s.only.MatchString(g.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s ...\n", g.name)
		found, err := g.measure(ctx, s)
		rows = append(rows, found...)
		if err != nil {
			rows = append(rows, Row{What: g.name, Error: err.Error()})
		}
	}
	if err := show(os.Stdout, s.json, rows); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	for _, r := range rows {
		if r.Error != "" || s.strict && r.Met != nil && !*r.Met {
			return 1
		}
	}
	return 0
}
