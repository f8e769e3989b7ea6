package docker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

const someImage = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestAUserWithoutANameGetsOne(t *testing.T) {
	missing := fault.New(fault.Invalid, "user_unknown", "the image has no /etc/passwd")
	tests := []struct {
		name  string
		image string // its /etc/passwd
		err   error
		who   identity
		want  string // the last line; "": no file
	}{
		{"unknown to the image", "root:x:0:0::/root:/bin/sh\n", nil, identity{20007, 20007}, "workspace:x:20007:20007::/workspace:/bin/sh"},
		{"without an end of line", "root:x:0:0::/root:/bin/sh", nil, identity{20007, 5}, "workspace:x:20007:5::/workspace:/bin/sh"},
		{"the name is taken", "workspace:x:1:1::/:/bin/sh\n", nil, identity{20007, 5}, "workspace-20007:x:20007:5::/workspace:/bin/sh"},
		{"known to the image", "node:x:1000:1000::/home/node:/bin/sh\n", nil, identity{1000, 1000}, ""},
		{"a group of that number", "node:x:1:1000::/home/node:/bin/sh\n", nil, identity{1000, 1000}, "workspace:x:1000:1000::/workspace:/bin/sh"},
		{"the superuser", "nobody:x:1:1::/:/bin/sh\n", nil, identity{}, ""},
		{"an image without users", "", missing, identity{20007, 20007}, ""},
		{"a line that has no end", "a:x:1:1::/:" + strings.Repeat("x", 100<<10), nil, identity{20007, 20007}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := passwd{filepath.Join(t.TempDir(), "users")}
			asked := 0
			for range 2 { // the second time from our copies
				got, err := p.file(someImage, tt.who, func() ([]byte, error) { asked++; return []byte(tt.image), tt.err })
				if err != nil || (got == "") != (tt.want == "") {
					t.Fatalf("file %q, %v", got, err)
				}
				if tt.want == "" {
					continue
				}
				text, err := os.ReadFile(got)
				if before, ok := strings.CutSuffix(string(text), tt.want+"\n"); err != nil || !ok || strings.TrimSpace(before) != strings.TrimSpace(tt.image) {
					t.Errorf("it holds %q, %v", text, err)
				}
				if info, err := os.Stat(got); err != nil || info.Mode().Perm() != 0o644 {
					t.Errorf("it cannot be read by everybody: %v %v", info.Mode(), err)
				}
			}
			if asked > 1 {
				t.Errorf("the image was read %d times", asked)
			}
		})
	}
}

func TestAnImageThatCannotBeReadIsNotTakenForOneWithoutUsers(t *testing.T) {
	p := passwd{t.TempDir()}
	broken := errors.New("the engine is away")
	if _, err := p.file(someImage, identity{7, 7}, func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	got, err := p.file(someImage, identity{7, 7}, func() ([]byte, error) { return []byte("root:x:0:0::/:/bin/sh\n"), nil })
	if got == "" || err != nil {
		t.Errorf("then: %q, %v", got, err)
	}
}

func TestNoFileIsNamedByWhatIsNoImage(t *testing.T) {
	p := passwd{t.TempDir()}
	for _, id := range []string{"", "nginx", "sha256:../../x", "sha256:" + strings.Repeat("g", 64)} {
		if got, err := p.file(id, identity{7, 7}, func() ([]byte, error) { return []byte("x\n"), nil }); got != "" || err != nil {
			t.Errorf("%q: %q, %v", id, got, err)
		}
	}
}

func TestUsersThatWereRemovedComeBackWithTheNextStart(t *testing.T) {
	d := builder(t)
	ref := testRef()
	img, lines, err := builds(t.Context(), t, d, ref, "FROM scratch\nCOPY Dockerfile /etc/passwd\n", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(lines, "\n"))
	}
	c := testContainer("unnamed")
	c.Spec.Image, c.Spec.Digest, c.Spec.Command = ref, img.Digest, []string{"sleep", "1000"}
	up(t, d, c)
	users := func() string {
		out, _, _ := inside(t, d, c.Ref, "", "agent-applet", "cat", passwdPath)
		return out
	}
	before := users()
	if !strings.Contains(before, "workspace:x:") {
		t.Fatalf("the users are %q", before)
	}
	if err := errors.Join(d.Stop(t.Context(), c.Ref, 0), os.RemoveAll(d.cfg.Users), d.Start(t.Context(), c.Ref)); err != nil {
		t.Fatal(err)
	}
	if after := users(); after != before {
		t.Errorf("the users are %q, were %q", after, before)
	}
}
