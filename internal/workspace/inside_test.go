package workspace

import (
	"strings"
	"testing"
)

func TestWhatIsInsideIsChecked(t *testing.T) {
	type check struct {
		name  string
		of    func(string) error
		takes []string
		not   []string
	}
	for _, c := range []check{
		{
			"a user", ValidateUser,
			[]string{"root", "node", "_x", "a-b_c", "0", "1000", "1000:1000", "2147483647", strings.Repeat("a", 32)},
			[]string{"", "Root", "a b", "1000:", ":1", "1:2:3", "2147483648", "-1", "a:b", "a\n", strings.Repeat("a", 33), "01234567890"},
		},
		{
			"a folder", ValidateDir,
			[]string{"/", "/workspace", "/a b/c", "/ünï"},
			[]string{"", "a", "/a/", "/a/../b", "//a", "/a\nb", "/a\\b", "/a\x00", "/\xff", "/" + strings.Repeat("a", 1024)},
		},
		{
			"a volume", ValidateVolume,
			[]string{"a", "0", "deps.v-1_x", strings.Repeat("a", 63)},
			[]string{"", "A", "/etc", ".a", "a/b", "a:b", strings.Repeat("a", 64)},
		},
		{
			"a place for a mount", ValidateTarget,
			[]string{"/data", "/workspace/node_modules", "/root/.cache", "/home/dev", "/etc/app", "/runner", "/opt/wsdx"},
			[]string{"", "data", "/", "/workspace", "/proc", "/proc/x", "/run/secrets", "/var/run/docker.sock", "/tmp", "/tmp/x", "/opt", "/opt/wsd/x", "/etc", "/var", "/a,b", "/a:b", "/a/../b"},
		},
	} {
		for _, s := range c.takes {
			if err := c.of(s); err != nil {
				t.Errorf("%q is not %s: %v", s, c.name, err)
			}
		}
		for _, s := range c.not {
			if c.of(s) == nil {
				t.Errorf("%q is %s", s, c.name)
			}
		}
	}
}
