package main

import (
	"context"
	"strings"
)

// group is a set of rows that are measured together.
type group struct {
	name    string
	measure func(ctx context.Context, s settings) ([]Row, error)
}

// groups returns all groups in the order of the table.
func groups() []group {
	return []group{
		{"create", measureCreate},
		{"start", measureStart},
		{"wake", measureWake},
		{"door", measureDoor},
		{"exec", measureExec},
		{"echo", measureEcho},
		{"list", measureList},
		{"stored", measureStored},
		{"timers", measureTimers},
		{"idle", measureIdle},
		{"cli", measureCLI},
		{"fanout", measureFanout},
		{"dash", measureDash},
	}
}

func groupNames() string {
	var names []string
	for _, g := range groups() {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}
