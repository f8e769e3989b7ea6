package tui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/event"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// fits fails where a screen is not exactly as large as its terminal.
func fits(t *testing.T, screen string, cols, rows int) {
	t.Helper()
	lines := strings.Split(screen, "\n")
	if len(lines) != rows {
		t.Errorf("%d lines on a terminal of %d", len(lines), rows)
	}
	for _, line := range lines {
		if w := plainWidth(line); w > cols {
			t.Errorf("a line of %d columns on a terminal of %d: %q", w, cols, line)
		}
	}
}

var sizes = [][2]int{{40, 12}, {80, 24}, {120, 40}, {200, 60}}

func TestListFitsEveryTerminal(t *testing.T) {
	for _, size := range sizes {
		for name, all := range map[string][]workspace.Workspace{
			"empty": nil, "one": {ws("demo", workspace.Running)}, "few": some(), "200": many(200),
		} {
			t.Run(fmt.Sprintf("%s at %dx%d", name, size[0], size[1]), func(t *testing.T) {
				d := drive(t, size[0], size[1])
				d.world.details = everything()
				d.snapshot(all...).known()
				d.layout()
				if r := d.list.selected(); r != nil && d.detailShown() {
					d.until("the details are fetched", func() bool { return d.detail.loaded })
				}
				fits(t, d.View(), size[0], size[1])
				golden(t, fmt.Sprintf("list-%s-%dx%d", name, size[0], size[1]), d.View())
			})
		}
	}
}

func TestAnyTerminalAtAll(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...).known()
	for cols := 1; cols <= 220; cols += 3 {
		for _, rows := range []int{1, 4, 5, 7, 12, 50} {
			d.width, d.height = cols, rows
			d.layout()
			screen := d.View()
			if cols >= 20 && rows >= 5 {
				fits(t, screen, cols, rows)
			}
		}
	}
}

// everything is details with all members.
func everything() Details {
	w := ws("api", workspace.Running)
	why := whyOf(w)
	return Details{
		Why: &why, Events: someEvents(w.ID),
		Jobs: []workspace.Job{
			{ID: "j1", Kind: workspace.JobProvision, State: workspace.JobCompleted, Attempt: 1, Attempts: 5, CreatedAt: noon.Add(-2 * time.Hour), EndedAt: noon.Add(-2*time.Hour + 1200*time.Millisecond)},
			{ID: "j2", Kind: workspace.JobStart, State: workspace.JobFailed, Attempt: 5, Attempts: 5, CreatedAt: noon.Add(-time.Hour), EndedAt: noon.Add(-50 * time.Minute), Code: "start_timeout", Error: "it did not answer in time"},
		},
		Terminals: []api.Terminal{
			{Name: "main", Command: []string{"sh"}, Foreground: "make watch", Cols: 120, Rows: 40, Viewers: 2, Writers: 1, LastInput: noon.Add(-time.Minute)},
			{Name: "second", Cols: 80, Rows: 24},
		},
		Listening: []api.Listening{{Port: 8080, Address: "0.0.0.0", Process: "server", Label: "web", URL: "http://127.0.0.1:8003/"}},
	}
}

func TestPanes(t *testing.T) {
	for _, size := range sizes {
		for i, pane := range Panes() {
			t.Run(fmt.Sprintf("%s at %dx%d", pane, size[0], size[1]), func(t *testing.T) {
				d := drive(t, size[0], size[1])
				d.world.details = everything()
				d.world.lines = output()
				d.snapshot(some()...).known()
				d.keys(fmt.Sprint(i + 1))
				if pane.fetched() {
					d.until("it is fetched", func() bool { return d.detail.loaded })
				}
				if pane == Logs {
					d.until("there is output", func() bool { return len(d.detail.logs.ring) == len(d.world.lines) })
				}
				fits(t, d.View(), size[0], size[1])
				golden(t, fmt.Sprintf("pane-%s-%dx%d", strings.ToLower(string(pane)), size[0], size[1]), d.View())
			})
		}
	}
}

// A pane of which nothing is known says so, and what to do.
func TestEmptyPanes(t *testing.T) {
	for i, pane := range Panes() {
		t.Run(string(pane), func(t *testing.T) {
			d := drive(t, 80, 24).snapshot(ws("bare", workspace.Stopped)).keys(fmt.Sprint(i + 1))
			if pane.fetched() {
				d.until("it is fetched", func() bool { return d.detail.loaded })
			}
			fits(t, d.View(), 80, 24)
			golden(t, "bare-"+strings.ToLower(string(pane)), d.View())
		})
	}
}

// Text of others may be wide, joined, or turned round: columns stay columns.
func TestWideCharacters(t *testing.T) {
	const wide = "漢字かな🙂👩‍👩‍👧e\u0301한국어"
	for _, size := range sizes {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			w := ws("shop", workspace.Running, labelled("team="+wide, "note="+wide))
			w.Owner, w.Spec.Template, w.Spec.Image, w.Spec.Command = wide, wide, wide, []string{wide, wide}
			d := drive(t, size[0], size[1], func(o *Options) { o.Columns = []string{"state", "from", "owner", "labels"} })
			why := whyOf(w)
			why.Holds[0].Reason, why.Sessions[0].User, why.Ledger[0].What = wide, wide, wide
			d.world.details = everything()
			d.world.details.Why = &why
			d.world.details.Terminals[0].Foreground, d.world.details.Listening[0].Process = wide, wide
			d.world.lines = []workspace.LogLine{{Time: noon, Text: strings.Repeat(wide, 20)}, {Time: noon, Text: wide}}
			d.snapshot(w, ws("plain", workspace.Running)).known()
			golden(t, fmt.Sprintf("wide-list-%dx%d", size[0], size[1]), d.View())
			d.keys("j")
			for i, pane := range Panes() {
				d.keys(fmt.Sprint(i + 1))
				if pane.fetched() {
					d.until("it is fetched", func() bool { return d.detail.loaded })
				}
				if pane == Logs {
					d.until("there is output", func() bool { return len(d.detail.logs.ring) == 2 })
				}
				fits(t, d.View(), size[0], size[1])
				if size[0] == 80 {
					golden(t, "wide-"+strings.ToLower(string(pane)), d.View())
				}
			}
		})
	}
}

func output() []workspace.LogLine {
	texts := []string{
		"\x1b[32mready\x1b[0m in 312 ms", "GET / 200\t1.2 ms", "a title \x1b]0;owned\a and a move \x1b[2J", "漢字 and 🙂 are two columns wide",
		strings.Repeat("long ", 30), "bad bytes \xff\xfe and \u202eturned",
	}
	var out []workspace.LogLine
	for i, s := range texts {
		stream := "stdout"
		if i == 1 {
			stream = "stderr"
		}
		out = append(out, workspace.LogLine{Time: noon, Stream: stream, Text: s})
	}
	return out
}

func TestScreens(t *testing.T) {
	for name, do := range screens() {
		for _, size := range [][2]int{{80, 24}, {40, 12}} {
			t.Run(fmt.Sprintf("%s at %dx%d", name, size[0], size[1]), func(t *testing.T) {
				d := drive(t, size[0], size[1]).snapshot(some()...).known()
				do(d)
				fits(t, d.View(), size[0], size[1])
				if size[0] == 80 {
					golden(t, "screen-"+name, d.View())
				} else {
					golden(t, "small-"+name, d.View())
				}
			})
		}
	}
}

// screens are what is drawn beside list and panes, by what leads there.
func screens() map[string]func(*driver) {
	return map[string]func(d *driver){
		"help":         func(d *driver) { d.keys("?") },
		"help-inside":  func(d *driver) { d.keys("2", "?") },
		"palette":      func(d *driver) { d.keys(":", "o") },
		"filter":       func(d *driver) { d.keys("/", "state:run label:team=web") },
		"filtered-out": func(d *driver) { d.keys("/", "nothing-like-it", "<enter>") },
		"marked":       func(d *driver) { d.keys("  ") },
		"delete":       func(d *driver) { d.keys("d", "ap") },
		"delete-many":  func(d *driver) { d.keys("a", "d", "6") },
		"rename-wrong": func(d *driver) { d.keys("m", "_") },
		"hold":         func(d *driver) { d.keys("h", "demo for the team") },
		"progress": func(d *driver) {
			tell := func(after time.Duration, detail map[string]string, shows string) {
				d.time = noon.Add(after)
				d.world.tell(Change{Signal: &event.Signal{Kind: event.Progress, Workspace: "wnew", Detail: detail}})
				d.shows(shows)
			}
			d.keys("jjj", "1")
			tell(time.Second, map[string]string{"stage": "image", "current": "52428800", "total": "104857600"}, "50 %")
			tell(3*time.Second, map[string]string{"stage": "build", "line": "Step 2/5 : RUN apt-get install -y git"}, "Step 2/5")
			d.time = noon.Add(7 * time.Second)
			d.send(tickMsg{})
		},
		"columns": func(d *driver) { d.keys("C", "j", " ", "j", " ", "jjjjjj", " ") },
		"exec":    func(d *driver) { d.keys("X", "ls | wc -l") },
		"forward": func(d *driver) { d.keys("F", "15432:5432") },
		"forwarded": func(d *driver) {
			d.world.details = everything()
			d.keys("F", "15432:5432", "<enter>").shows("leads to").keys("5").shows("server")
		},
		"form":       func(d *driver) { d.keys("n").shows("static ›").keys("shop", "<down>", "<down>", "<left>", "<down>") },
		"form-wrong": func(d *driver) { d.keys("n").shows("static ›").keys("Not a name", "<enter>") },
		"form-image": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<right>", "<down>", "python:3.12-slim", "<down>", "80801")
		},
		"form-folder": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("<right>", "<down>").shows("/src/here")
		},
		"form-folders": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("<right>", "<down>", "<ctrl+u>", "/src/a", "<tab>")
			d.shows("app-漢字").keys("<tab>", "<tab>").shows("--from /src/app\n")
		},
		"form-missing": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("<right>", "<down>", "x").shows("there is no folder")
		},
		"form-git": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("g", "<down>", "https://git.example.org/team/a-long-name-of-a-repository.git", "<down>", "main")
		},
		"form-git-bad": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("g", "<down>", "file:///etc", "<enter>")
		},
		"form-worktree": func(d *driver) {
			d.keys("n").shows("static ›").keys("<down>", "<down>", "<down>").keys("<left>", "<down>")
		},
		"form-checked": func(d *driver) { d.keys("n").shows("static ›").keys("shop", "<ctrl+t>").shows("this would be") },
		"refused": func(d *driver) {
			d.world.refuse = errDenied
			d.keys("t").shows("✗")
		},
		"stale": func(d *driver) {
			d.world.tell(Change{Link: &Link{Why: "the connection to wsd broke", Engine: true, Since: noon.Add(-42 * time.Second)}})
			d.shows("wsd is away")
		},
		"engine-away": func(d *driver) {
			d.world.tell(Change{Link: &Link{Daemon: true, Since: noon.Add(-3 * time.Minute)}})
			d.shows("engine is away")
		},
		"why-refused": func(d *driver) {
			d.world.refuse = errDenied
			d.keys("3").shows("[state]")
		},
	}
}

func TestColours(t *testing.T) {
	for _, theme := range ThemeNames() {
		t.Run(theme, func(t *testing.T) {
			d := drive(t, 80, 12, func(o *Options) { o.Theme = theme }).snapshot(some()...).known()
			screen := d.View()
			if has := strings.Contains(screen, "\x1b["); has != (theme != "none") {
				t.Errorf("theme %s: escapes %v", theme, has)
			}
			fits(t, screen, 80, 12)
			golden(t, "colour-"+theme, strings.ReplaceAll(screen, "\x1b", "␛"))
		})
	}
}

func TestThemeOfAnEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing is known":               {map[string]string{"TERM": "xterm-256color"}, "16"},
		"an old terminal":                {map[string]string{"TERM": "vt220"}, "16"},
		"a dark background":              {map[string]string{"TERM": "xterm-256color", "COLORFGBG": "15;0"}, "dark"},
		"a light background":             {map[string]string{"TERM": "rxvt-256color", "COLORFGBG": "0;default;15"}, "light"},
		"NO_COLOR wins":                  {map[string]string{"TERM": "xterm-256color", "COLORFGBG": "15;0", "NO_COLOR": "1"}, "none"},
		"a terminal that can do nothing": {map[string]string{"TERM": "dumb"}, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := chooseTheme(func(k string) string { return tt.env[k] }); got != tt.want {
				t.Errorf("theme %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNothingForeignReachesTheTerminal(t *testing.T) {
	d := drive(t, 80, 24)
	d.world.lines = output()
	w := ws("api", workspace.Failed, crashed, labelled("note=\x1b[2Jx"))
	w.Spec.Template, w.Spec.Image = "", "bad\x1b[2J\u202e"
	d.snapshot(w)
	for i := range Panes() {
		d.keys(fmt.Sprint(i + 1))
		if i == 1 {
			d.until("there is output", func() bool { return len(d.detail.logs.ring) > 0 })
		}
		if s := d.View(); strings.ContainsAny(s, "\x1b\a\u202e\r\t") {
			t.Errorf("pane %d: %q", i+1, s)
		}
	}
}

func TestWordsAreBroken(t *testing.T) {
	for _, line := range broken("a longer text with averyveryverylongword and 漢字漢字漢字漢字漢字", 10) {
		if render.Width(line) > 10 {
			t.Errorf("%q is too wide", line)
		}
	}
}

// However long a filter is, it does not hide that what is shown is old.
func TestAFilterDoesNotHideThatWsdIsAway(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		d := drive(t, width, 24).snapshot(some()...).keys("/", "state:running -label:a-long-one", "<enter>")
		d.world.tell(Change{Link: &Link{Engine: true, Why: "gone", Since: noon}})
		d.until("it is away", func() bool { return !d.link.Daemon })
		head := strings.Split(d.View(), "\n")[0]
		if !strings.Contains(head, "✗ wsd is away, as of 0 s ago") || strings.Contains(head, "/state") != (width >= 60) {
			t.Errorf("%d columns: %q", width, head)
		}
	}
}
