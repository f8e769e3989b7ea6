package tui

import (
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"github.com/wsctl/wsctl/internal/workspace"
)

// to opens the form and goes to a field.
func (d *driver) to(label string) *driver {
	d.t.Helper()
	if d.form == nil {
		d.keys("n").shows("Static site")
	}
	for range d.form.fields {
		d.keys("<up>")
	}
	for range d.form.fields {
		if d.form.fields[d.form.at].label == label {
			return d
		}
		d.keys("<down>")
	}
	d.t.Fatalf("the form has no %s:\n%s", label, d.View())
	return d
}

func (d *driver) drafts() []Draft {
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	return append([]Draft{}, d.world.created...)
}

func TestCreate(t *testing.T) {
	d := drive(t, 100, 24).snapshot()
	d.to("name").keys("shop").to("template").keys("g").to("version").keys("<left>", "<ctrl+t>").shows("this would be shop from template go")
	d.world.notes = []string{"your agent is lent"}
	d.keys("<enter>").shows("› wsctl create shop --template go --param version=1.25").shows("your agent is lent")
	d.until("both are asked for", func() bool { return len(d.drafts()) == 2 && d.form == nil })
	if got := d.drafts(); !got[0].DryRun || got[1].DryRun || got[1].Params["version"] != "1.25" || len(got[1].Params) != 1 {
		t.Errorf("created %+v", got)
	}
	d.world.tell(Change{Put: []workspace.Workspace{{ID: "wnew", Name: "shop", State: workspace.Running, Port: 8010}}})
	d.shows("✓ shop is running at http://127.0.0.1:8010/")
	if d.form != nil || d.list.selected().w.Name != "shop" {
		t.Error("the new one is not selected")
	}
}

func TestAFormIsADraftAndItsCommand(t *testing.T) {
	for name, tt := range map[string]struct {
		fill func(d *driver)
		line string
		want func(Draft) bool
	}{
		"a template as it is": {
			func(d *driver) { d.to("name") }, "wsctl create --template static",
			func(d Draft) bool { return d.Template == "static" && d.Image == "" && d.Source == nil },
		},
		"an image with a command": {
			func(d *driver) {
				d.to("made from").keys("<right>").to("image").keys("python:3.12").to("port").keys("8000").to("command").keys("python -m http.server")
			},
			"wsctl create --image python:3.12 --port 8000 -- python -m http.server",
			func(d Draft) bool {
				return d.Template == "" && d.Image == "python:3.12" && d.Port == 8000 && len(d.Command) == 3
			},
		},
		"a command that needs a shell": {
			func(d *driver) {
				d.to("made from").keys("<right>").to("image").keys("a").to("command").keys("make && ./run")
			},
			"wsctl create --image a -- sh -c 'make && ./run'",
			func(d Draft) bool { return len(d.Command) == 3 && d.Command[2] == "make && ./run" },
		},
		"a folder": {
			func(d *driver) { d.to("files").keys("<right>").to("folder").shows("/src/here") }, "wsctl create --template static --from /src/here",
			func(d Draft) bool { return d.Folder == "/src/here" && !d.Copy },
		},
		"a copy of a folder": {
			func(d *driver) {
				d.to("files").keys("<right>", "<right>", "<right>").to("folder").keys("<backspace>", "/src/a").shows("--copy")
			},
			"wsctl create --template static --from /src/a --copy",
			func(d Draft) bool { return d.Folder == "/src/a" && d.Copy },
		},
		"a repository": {
			func(d *driver) {
				d.to("files").keys("<right>", "<right>").to("url").keys("git@example.org:a/b.git").to("branch").keys("main")
			},
			"wsctl create --template static --git git@example.org:a/b.git --branch main",
			func(d Draft) bool {
				return d.Source != nil && *d.Source == workspace.Source{Kind: workspace.SourceGit, URL: "git@example.org:a/b.git", Branch: "main"}
			},
		},
		"a worktree": {
			func(d *driver) { d.to("files").keys("<left>").to("branch").keys("feature/x") }, "wsctl create --template static --worktree feature/x",
			func(d Draft) bool { return d.Worktree == "feature/x" && d.Source == nil },
		},
		"what was typed and is not shown any more is not asked for": {
			func(d *driver) {
				d.to("made from").keys("<right>").to("image").keys("a").to("port").keys("1").to("made from").keys("<left>")
				d.to("files").keys("<right>", "<right>").to("url").keys("https://e.org/x").to("files").keys("<left>", "<left>")
			},
			"wsctl create --template static",
			func(d Draft) bool { return d.Image == "" && d.Port == 0 && d.Source == nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 120, 30).snapshot()
			tt.fill(d.to("name"))
			d.shows(" › " + tt.line).keys("<enter>")
			d.until("it is asked for", func() bool { return len(d.drafts()) == 1 })
			if got := d.drafts()[0]; !tt.want(got) {
				t.Errorf("asked for %+v", got)
			}
		})
	}
}

func TestAFormIsCheckedWhileItIsTyped(t *testing.T) {
	for name, tt := range map[string]struct {
		fill  func(d *driver)
		shows string
	}{
		"a protocol that runs commands": {func(d *driver) { d.to("files").keys("g").to("url").keys("ext::sh") }, "not the address of a repository"},
		"a protocol that reads files":   {func(d *driver) { d.to("files").keys("g").to("url").keys("file:///etc") }, `not fetched by "file"`},
		"a password":                    {func(d *driver) { d.to("files").keys("g").to("url").keys("https://u:p@e.org/x") }, "holds a password"},
		"a branch":                      {func(d *driver) { d.to("files").keys("g").to("branch").keys("a..b") }, "not the name of a branch"},
		"a folder that is not there":    {func(d *driver) { d.to("files").keys("<right>").to("folder").keys("/no") }, "there is no folder"},
		"an image":                      {func(d *driver) { d.to("made from").keys("<right>").to("image").keys("A B") }, "image"},
		"a port":                        {func(d *driver) { d.to("made from").keys("<right>").to("port").keys("70000") }, "not a TCP port"},
	} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 120, 30).snapshot()
			tt.fill(d.to("name"))
			d.shows(tt.shows).keys("<enter>").shows("✗")
			if len(d.drafts()) > 0 {
				t.Errorf("asked for %+v", d.drafts())
			}
		})
	}
}

func TestAFormSaysWhatIsMissing(t *testing.T) {
	d := drive(t, 120, 30).snapshot()
	d.to("files").keys("g").shows("· give the address of the repository").keys("<enter>").shows("✗ give the address of the repository")
}

// An answer about a folder that is not typed any more is none, and one that comes leaves
// the cursor where it is.
func TestAFolderIsAskedAboutAsItIsTyped(t *testing.T) {
	d := drive(t, 120, 30).snapshot()
	d.to("files").keys("<right>").to("folder").shows("/src/here").keys("<backspace>", "/src/ab").shows("--from /src/ab\n")
	d.keys("<left>", "<left>", "c").shows("--from /src/cab\n").keys("d").shows("--from /src/cdab")
	d.send(folderMsg{folderCheck{text: "/src/ab", full: "/elsewhere"}})
	if strings.Contains(d.View(), "elsewhere") {
		t.Errorf("an old answer counts:\n%s", d.View())
	}
}

func TestTabCompletesAFolder(t *testing.T) {
	d := drive(t, 120, 30).snapshot()
	typed := func(want string) {
		t.Helper()
		d.until("the field holds "+want, func() bool { return d.form.fields[d.form.at].input.value() == want })
	}
	d.to("files").keys("<right>").to("folder").keys("<ctrl+u>", "/src/a", "<tab>").shows("app-漢字")
	typed("/src/ap") // as far as it is certain
	for _, step := range []struct{ key, want string }{
		{"<tab>", "/src/api"}, {"<tab>", "/src/app"}, {"<tab>", "/src/app-漢字"}, {"<tab>", "/src/api"}, {"<shift+tab>", "/src/app-漢字"},
	} {
		d.keys(step.key)
		typed(step.want)
	}
	d.shows("--from '/src/app-漢字'").keys("<esc>")
	if d.form == nil || d.form.completion != nil {
		t.Fatal("esc does not close the list alone")
	}
	d.keys("<ctrl+u>", "/src/w", "<tab>")
	typed("/src/web/") // the only one
	d.keys("<tab>")
	typed("/src/web/public/")
	d.keys("<tab>").until("tab goes on where nothing is to be completed", func() bool { return d.form.fields[d.form.at].label == "labels" })
	d.keys("<shift+tab>", "<shift+tab>")
	if at := d.form.fields[d.form.at].label; at != "files" {
		t.Errorf("shift+tab leads to %s", at)
	}
}

func TestCandidatesOfAFolderThatIsNotTypedAnyMoreAreNone(t *testing.T) {
	d := drive(t, 120, 30).snapshot()
	d.to("files").keys("<right>").to("folder").keys("<ctrl+u>", "/src/web")
	d.send(foldersMsg{"/src/w", []string{"/src/web"}})
	d.send(foldersMsg{"/src/web", []string{"/src/web", "/src/web2"}}) // what came is for what is typed
	if got := d.form.fields[d.form.at].input.value(); got != "/src/web" || len(d.form.completion.found) != 2 {
		t.Errorf("the field holds %s", got)
	}
	d.keys("<up>")
	d.send(foldersMsg{"/src/web", []string{"/src/web"}})
	if d.form.completion != nil || strings.Contains(d.View(), "/src/web/") {
		t.Errorf("another field is completed:\n%s", d.View())
	}
}

func TestManyCandidatesAreSaidToBeMore(t *testing.T) {
	d := drive(t, 80, 24).snapshot()
	var many []string
	for i := range 90 {
		many = append(many, fmt.Sprintf("/src/web%02d", i))
	}
	d.to("files").keys("<right>").to("folder").keys("<ctrl+u>", "/src/web")
	d.send(foldersMsg{"/src/web", many})
	d.shows("web00").shows("… 58 more").keys("<shift+tab>").shows("▸ web89")
	if strings.Contains(d.View(), "more") {
		t.Errorf("nothing comes after the last:\n%s", d.View())
	}
}

func TestAFailedCreateKeepsTheForm(t *testing.T) {
	d := drive(t, 100, 24).snapshot().keys("n").shows("Static site")
	d.world.refuse = errDenied
	d.keys("<enter>").shows("✗ api is stopping").keys("<esc>")
	if d.form != nil {
		t.Error("the form stays")
	}
}

// What was made is chosen, whether it is told of before the answer comes or after it.
func TestWhatWasMadeIsChosen(t *testing.T) {
	for name, first := range map[string]bool{"told of before": true, "told of after": false} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(some()...)
			tell := func() {
				d.world.tell(Change{Put: []workspace.Workspace{{ID: "wzoo", Name: "zoo", State: workspace.Creating}}})
				d.until("it is known", func() bool { return d.list.known["wzoo"] != nil })
			}
			answer := createdMsg{made: Made{Workspace: workspace.Workspace{ID: "wzoo", Name: "zoo"}}}
			if first {
				tell()
				d.send(answer)
			} else {
				d.send(answer)
				tell()
			}
			if got := d.list.selected().w.Name; got != "zoo" {
				t.Errorf("%s is chosen", got)
			}
			if d.keys("k").list.selected().w.Name == "zoo" {
				t.Error("the cursor cannot leave it")
			}
		})
	}
}

// The field that is typed in is seen on every terminal, whatever is listed and said below it.
func TestTheFieldThatIsTypedInIsSeen(t *testing.T) {
	for _, size := range [][2]int{{40, 12}, {40, 8}, {30, 10}, {80, 12}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			d := drive(t, size[0], size[1]).snapshot(some()...).keys("n")
			d.until("there are templates", func() bool { return d.form.chosen() != nil }).keys("<down>", "<down>", "<down>", "<right>", "<down>", "<ctrl+u>", longFolder, "<tab>")
			d.until("folders are listed", func() bool { return d.form.completion != nil }).shows("▸ folder")
			for range 5 {
				d.keys("<tab>").shows("▸ folder")
			}
			fits(t, d.View(), size[0], size[1])
			d.keys("<ctrl+u>", "/there/is/none/such").until("it is looked for", func() bool { return d.form.folder.err != nil }).shows("▸ folder")
		})
	}
}

// The answer to a form that was left is not one to the form that was opened after it.
func TestAnAnswerToAFormThatWasLeft(t *testing.T) {
	for name, err := range map[string]error{"made": nil, "refused": errDenied} {
		t.Run(name, func(t *testing.T) {
			d := drive(t, 100, 24).snapshot(some()...).keys("n").shows("Static site")
			left := d.form
			d.keys("<esc>", "n").shows("Static site").to("name").keys("another")
			d.send(createdMsg{from: left, made: Made{Workspace: ws("first", workspace.Creating)}, line: "wsctl create first", err: err})
			if d.form == nil || d.form.wrong || !strings.Contains(d.View(), "another") {
				t.Errorf("the form is not what it was:\n%s", d.View())
			}
			if want := map[bool]string{true: "› wsctl create first", false: "✗ create: " + errDenied.Text}[err == nil]; !strings.Contains(d.View(), want) {
				t.Errorf("%q is not told:\n%s", want, d.View())
			}
		})
	}
}

// An address may be as long as wsd takes it. The fields stay to be seen beside what it comes to.
func TestALongAddressIsTakenWhole(t *testing.T) {
	url := "https://example.com/" + strings.Repeat("a", 1500) + "/end.git"
	d := drive(t, 80, 24).snapshot(some()...)
	d.to("files").keys("g").to("url")
	d.send(tea.KeyMsg(tea.Key{Type: tea.KeyRunes, Runes: []rune(url), Paste: true}))
	fits(t, d.View(), 80, 24)
	for _, want := range []string{"New workspace", "▸ url", "/end.git", "branch", "› wsctl create"} {
		if !strings.Contains(d.View(), want) {
			t.Errorf("%q is not seen:\n%s", want, d.View())
		}
	}
	d.keys("<ctrl+t>").until("it is asked for", func() bool { return len(d.drafts()) == 1 })
	if got := d.drafts()[0].Source.URL; got != url {
		t.Errorf("%d characters of %d arrive", len(got), len(url))
	}
}
