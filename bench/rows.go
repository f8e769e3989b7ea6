package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// Figure is a series of samples of one thing.
type Figure struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
	Unit   string  `json:"unit"` // ms or MB (10^6 bytes)
}

// Row is one comparison.
type Row struct {
	What  string  `json:"what"`
	Ours  *Figure `json:"ours,omitempty"`
	Plain *Figure `json:"plain,omitempty"` // absent where the goal is absolute
	Ratio float64 `json:"ratio,omitempty"` // ours / plain
	Goal  string  `json:"goal,omitempty"`
	Met   *bool   `json:"met,omitempty"`
	Error string  `json:"error,omitempty"`
}

// figure sums up samples, of which there is at least one.
func figure(unit string, samples []float64) *Figure {
	s := slices.Sorted(slices.Values(samples))
	middle := s[len(s)/2]
	if len(s)%2 == 0 {
		middle = (s[len(s)/2-1] + middle) / 2
	}
	return &Figure{Median: middle, Min: s[0], Max: s[len(s)-1], N: len(s), Unit: unit}
}

// against compares ours with plain; the goal is the greatest ratio.
func against(what string, ours, plain *Figure, goal float64) Row {
	r := Row{What: what, Ours: ours, Plain: plain, Ratio: ours.Median / plain.Median, Goal: fmt.Sprintf("<= %.3g", goal)}
	met := r.Ratio <= goal
	r.Met = &met
	return r
}

// slowest is a figure whose median is the 99th percentile: what one sample in a hundred
// exceeds.
func slowest(unit string, samples []float64) *Figure {
	f := figure(unit, samples)
	s := slices.Sorted(slices.Values(samples))
	f.Median = s[(len(s)*99+99)/100-1]
	return f
}

// below compares ours with a bound in its own unit.
func below(what string, ours *Figure, bound float64) Row {
	met := ours.Median < bound
	return Row{What: what, Ours: ours, Goal: fmt.Sprintf("< %g %s", bound, ours.Unit), Met: &met}
}

func (f *Figure) String() string {
	if f == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f %s (%.1f-%.1f)", f.Median, f.Unit, f.Min, f.Max)
}

// show prints the rows as a table or as JSON.
func show(w io.Writer, asJSON bool, rows []Row) error {
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"cpus": runtime.NumCPU(), "arch": runtime.GOARCH, "rows": rows})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHAT\tOURS\tPLAIN ENGINE\tRATIO\tGOAL\t")
	for _, r := range rows {
		if r.Error != "" {
			fmt.Fprintf(t, "%s\tnot measured: %s\t\t\t\t\n", r.What, brief(r.Error))
			continue
		}
		ratio := "-"
		if r.Plain != nil {
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", r.What, r.Ours, r.Plain, ratio, r.Goal, verdict(r.Met))
	}
	return t.Flush()
}

// brief is an error as a cell of a table.
func brief(text string) string {
	const most = 200 // characters
	text = strings.ReplaceAll(text, "\n", " ")
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + " ..."
	}
	return text
}

func verdict(met *bool) string {
	switch {
	case met == nil:
		return ""
	case *met:
		return "met"
	}
	return "MISSED"
}
