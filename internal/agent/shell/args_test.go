package shell

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	tests := []struct {
		name, args string
		want       invocation
	}{
		{"nothing", "sh", invocation{name: "sh"}},
		{"a command", "sh|-c|echo|n|a", invocation{name: "n", command: "echo", hasCommand: true, arguments: []string{"a"}}},
		{"a script", "sh|s|a|-c", invocation{name: "s", script: "s", arguments: []string{"a", "-c"}}},
		{"standard input with arguments", "sh|-s|a", invocation{name: "sh", arguments: []string{"a"}}},
		{"options", "sh|-eu|-o|pipefail|+x|s", invocation{name: "s", script: "s", options: []string{"-e", "-u", "-o", "pipefail", "+x"}}},
		{"interactive", "sh|-i", invocation{name: "sh", interactive: true}},
		{"long options are left out", "sh|--login|s", invocation{name: "s", script: "s"}},
		{"a single dash is a file", "sh|-", invocation{name: "-", script: "-"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseArgs(strings.Split(test.args, "|"))
			if len(got.arguments) == 0 {
				got.arguments = nil
			}
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, %v; want %+v", got, err, test.want)
			}
		})
	}
}

func FuzzParseArgs(f *testing.F) {
	for _, seed := range []string{"sh", "sh\x00-c\x00x", "sh\x00-o", "sh\x00-ec", "sh\x00--", "sh\x00+\x00-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, joined string) {
		args := strings.Split(joined, "\x00")
		inv, err := parseArgs(args)
		if err == nil && len(inv.arguments) >= len(args) {
			t.Fatalf("%q gives the arguments %q", args, inv.arguments)
		}
		if err == nil && inv.hasCommand && inv.script != "" {
			t.Fatalf("%q is a command and a script", args)
		}
	})
}
