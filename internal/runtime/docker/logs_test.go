package docker

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestAFrameBecomesLines(t *testing.T) {
	const stamp = "2024-05-06T07:08:09.000000001Z"
	at := time.Date(2024, 5, 6, 7, 8, 9, 1, time.UTC)
	for name, tc := range map[string]struct {
		frame string
		want  []string
		at    time.Time
	}{
		"a line":                {stamp + " hello\n", []string{"hello"}, at},
		"an empty line":         {stamp + " \n", []string{""}, at},
		"a carriage return":     {stamp + " hello\r\n", []string{"hello"}, at},
		"a piece":               {stamp + " hel", []string{"hel"}, at},
		"no time":               {"hello world\n", []string{"hello world"}, time.Time{}},
		"not text":              {stamp + " a\xffb\n", []string{"a\uFFFDb"}, at},
		"a cut inside a letter": {stamp + " x" + strings.Repeat("ü", maxLine/2) + "\n", []string{"x" + strings.Repeat("ü", maxLine/2-1), "ü"}, at},
		"more than one piece":   {stamp + " " + strings.Repeat("x", maxLine+1) + "\n", []string{strings.Repeat("x", maxLine), "x"}, at},
	} {
		t.Run(name, func(t *testing.T) {
			got := logLines("stderr", []byte(tc.frame))
			if len(got) != len(tc.want) {
				t.Fatalf("%d lines, want %d", len(got), len(tc.want))
			}
			for i, l := range got {
				if l.Text != tc.want[i] || !l.Time.Equal(tc.at) || l.Stream != "stderr" {
					t.Errorf("line %d is %.60q at %s", i, l.Text, l.Time)
				}
			}
		})
	}
}

func FuzzLogLines(f *testing.F) {
	f.Add([]byte("2024-05-06T07:08:09.000000001Z hello\n"))
	f.Add([]byte(" \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, l := range logLines("stdout", b) {
			if !utf8.ValidString(l.Text) || len(l.Text) > maxLine {
				t.Errorf("%d bytes of text from %q", len(l.Text), b)
			}
		}
	})
}
