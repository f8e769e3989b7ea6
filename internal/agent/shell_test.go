package agent_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/agent"
)

// image is a folder that looks like the built-in image: nothing but links to the agent.
type image struct{ bin, dir string }

func newImage(t *testing.T) image {
	t.Helper()
	im := image{bin: t.TempDir(), dir: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range agent.Applets() {
		if err := os.Symlink(self, filepath.Join(im.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return im
}

func (im image) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(im.bin, name), args...)
	cmd.Dir = im.dir
	cmd.Env = []string{"PATH=" + im.bin, "TZ=UTC", "HOME=" + im.dir, "WSD_NAME=demo"}
	return cmd
}

// result of a command.
type result struct {
	out, err string
	status   int
}

func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errw bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errw
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errw.String(), cmd.ProcessState.ExitCode()}
}

func TestShellRunsScripts(t *testing.T) {
	tests := []struct {
		name, script, out string
		status            int
	}{
		{"an empty script", ``, "", 0},
		{"the last status", `true; false`, "", 1},
		{"exit", `exit 42`, "", 42},
		{"exit of a function", `f() { return 7; }; f`, "", 7},
		{"a pipe has the status of its end", `false | true; echo $?; true | false; echo $?`, "0\n1\n", 0},
		{"pipefail", `set -o pipefail; false | true`, "", 1},
		{"a long pipe", `seq 100 | grep 1 | sort -rn | head -1`, "100\n", 0},
		{"redirects", `echo a >f; echo b >>f; cat <f; ls nothing 2>/dev/null || echo no`, "a\nb\nno\n", 0},
		{"both streams in order", `{ echo out; echo err >&2; } 2>&1`, "out\nerr\n", 0},
		{"here-document", "x=1\ncat <<END\na $x $((1+2))\nEND\n", "a 1 3\n", 0},
		{"quoted here-document", "cat <<'END'\na $x\nEND\n", "a $x\n", 0},
		{"here-string", `cat <<<hello`, "hello\n", 0},
		{"globs", `touch b.go a.go c.txt; echo *.go [c]*; echo nothing*`, "a.go b.go c.txt\nnothing*\n", 0},
		{"variables", `a=1; a=$a$a; echo "${a}x" ${b:-default} ${#a}`, "11x default 2\n", 0},
		{"exported variables reach commands", `export A=1 B=2; C=3; unset B; D=4 env | grep '^[A-D]=' | sort`, "A=1\nD=4\n", 0},
		{"command substitution", `echo "$(echo a; echo b)"`, "a\nb\n", 0},
		{"arithmetic", `i=3; while [ $i -gt 0 ]; do echo $i; i=$((i-1)); done`, "3\n2\n1\n", 0},
		{"loops and case", `for x in a b c; do case $x in b) continue;; *) echo $x;; esac; done`, "a\nc\n", 0},
		{"arguments", `set -- a 'b c'; echo $# "$2"; shift; echo "$@"`, "2 b c\nb c\n", 0},
		{"arrays", `a=(x y z); echo ${a[1]} ${#a[@]}`, "y 3\n", 0},
		{"subshells keep to themselves", `x=1; (x=2; cd /); echo $x; exit 0`, "1\n", 0},
		{"cd", `mkdir -p d/e; cd d/e; basename "$PWD"; cd ../..; ls`, "e\nd\n", 0},
		{"errexit", `set -e; false; echo never`, "", 1},
		{"nounset", `set -u; echo $nothing; echo never`, "", 1},
		{"exit trap", `trap 'echo bye' EXIT; echo hi; exit 3`, "hi\nbye\n", 3},
		{"a trap for signals does no harm", `trap 'echo bye' EXIT INT TERM; trap : 2 15; echo hi`, "hi\nbye\n", 0},
		{"a command that is not there", `nothing-here; echo $?`, "127\n", 0},
		{"a file that is not executable", `echo x >f; ./f; echo $?`, "126\n", 0},
		{"a script with a first line", `printf '#!%s\necho "$0" "$1"\n' "$(which sh)" >f; chmod +x f; ./f arg`, "./f arg\n", 0},
		{"a command killed by a signal", `sh -c 'kill -9 $$'; echo $?`, "137\n", 0},
		{"a script without a first line", `echo 'echo "$1"' >f; chmod +x f; ./f arg`, "arg\n", 0},
		{"a file that is no program", `printf '\0x' >f; chmod +x f; ./f; echo $?`, "126\n", 0},
		{"syntax error", `if true; then`, "", 2},
		{"background and wait", `sleep 0.01 & wait; echo done`, "done\n", 0},
		{"wait has the status of the command", `sh -c 'exit 5' & wait $!; echo $?`, "5\n", 0},
		{"kill reaches the background", `sleep 100 & kill $!; wait $!; echo $?`, "143\n", 0},
		{"background work is done before the end", `{ sleep 0.01; echo late; } & echo early`, "early\nlate\n", 0},
		{"a function in the background", `f() { sleep 0.01; echo f; }; f & echo main`, "main\nf\n", 0},
		{"a builtin loop in the background", `while true; do break; done & wait; echo $?`, "0\n", 0},
		{"the first of two stays reachable", `sleep 100 & a=$!; sleep 100 & b=$!; kill $a; wait $a; echo $?; kill $b; wait $b; echo $?`, "143\n143\n", 0},
		{"jobs by number", `sleep 100 & sleep 100 & kill %1; wait %1; echo $?; kill -9 %2; wait %2; echo $?`, "143\n137\n", 0},
		{"the newest job and the one before", `sleep 100 & a=$!; sleep 100 & b=$!; kill %-; wait $a; echo $?; kill %%; wait $b; echo $?`, "143\n143\n", 0},
		{"one job is the newest and the one before", `sleep 100 & kill %-; wait %+; echo $?`, "143\n", 0},
		{"a number is free once it is waited for", `sleep 100 & kill %1; wait; sleep 100 & kill %1; wait %1; echo $?`, "143\n", 0},
		{"a new job is not numbered as one that is left", `true & sleep 100 & wait %1; sleep 100 & kill %2 %3; wait %2; wait %3; echo $?`, "143\n", 0},
		{"a job is there to be asked for", `sleep 100 & kill -0 %1; echo $?; kill %1; wait %1; kill -0 %1 2>&1; echo $?`, "0\nsh: kill: %1: no such job\n1\n", 0},
		{
			"no such job", `kill %1 2>&1; echo $?; wait %1 2>&1; echo $?; kill %name 2>&1; echo $?`,
			"sh: kill: %1: no such job\n1\nsh: wait: %1: no such job\n127\nsh: kill: %name: no such job\n1\n", 0,
		},
		{"a subshell has jobs of its own", `sleep 100 & (sleep 100 & kill %1; wait %1; echo $?; kill %2 2>&1); kill %1; wait %1; echo $?`, "143\nsh: kill: %2: no such job\n143\n", 0},
		{"a subshell reaches a job by its name", `sleep 100 & a=$!; (kill $a); wait $a; echo $?`, "143\n", 0},
		{"names of a subshell's jobs are its own", `sleep 100 & a=$!; x=$(sleep 0.01 & wait; echo in); kill $a; wait $a; echo $x $?`, "in 143\n", 0},
		{
			"a subshell whose function has jobs", `sleep 100 & a=$!; f() { sleep 100 & kill $!; wait $!; echo $?; }; (f); kill -0 $a && echo runs; kill $a; wait $a; echo $?`,
			"143\nruns\n143\n", 0,
		},
		{"a substitution whose function has jobs", `sleep 100 & f() { sleep 100 & kill $!; wait $!; echo $?; }; echo $(f) $(f); kill %1; wait %1; echo $?`, "143 143\n143\n", 0},
		{"a pipe whose function has jobs", `sleep 100 & f() { sleep 100 & kill $!; wait $!; echo $?; }; f | cat; kill %1; wait %1; echo $?`, "143\n143\n", 0},
		{"a process substitution whose function has jobs", `sleep 100 & f() { sleep 100 & kill $!; wait $!; echo $?; }; cat <(f); kill %1; wait %1; echo $?`, "143\n143\n", 0},
		{"a subshell whose function waits", `sleep 100 & f() { wait; }; (f); f | cat; kill %1 && echo killed`, "killed\n", 0},
		{
			"a subshell begins unseen", `f() { return 7; }; set -ax; f; (echo $?; true; echo $?); echo $(f; echo $?) $(env | grep -c __wsd); f | cat; set +x; (f); (echo $?)`,
			"7\n0\n7 0\n7\n", 0,
		},
		{"a subshell in a list of errexit", `set -e; trap 'echo err' ERR; false || (echo $?); false || x=$(echo a); echo $x`, "1\na\n", 0},
		{"a substitution of a file", `echo text >f; echo $(<f)`, "text\n", 0},
		{
			"a killed group does not wait for its own", `{ { touch began; n=0; until [ -e go ] || [ $((n+=1)) -gt 400 ]; do sleep 0.01; done; echo child; } & wait; echo no; } &
p=$!; until [ -e began ]; do sleep 0.01; done; kill $p; wait $p; echo $?; touch go`, "143\nchild\n", 0,
		},
		{"a group waits for its own", `{ true & sh -c 'exit 5' & wait $!; echo $?; wait; sleep 0.01 & wait %1; echo $?; } & wait`, "5\n0\n", 0},
		{"a job within a job", `{ sleep 100 & kill %1; wait %1; echo $?; } & wait %1; echo $?`, "143\n0\n", 0},
		{"a killed group runs nothing more", `{ sleep 100; echo no; } & kill %1; wait %1; echo $?`, "143\n", 0},
		{"a killed loop of builtins ends", `while :; do :; done & kill %1; wait %1; echo $?`, "143\n", 0},
		{"signals that end nothing", `{ sleep 0.05; echo goes on; } & kill -CONT %1; wait %1; echo $?`, "goes on\n0\n", 0},
		{"a group in the background exits", `{ exit 3; } & wait $!; echo $?; { exit 4; } & echo end`, "3\nend\n", 0},
		{"a group in the background fails", `set -e; { false; echo no; } & wait $! || echo $?`, "1\n", 0},
		{"a group in the background has a trap", `{ trap 'echo bye' EXIT; exit 3; } & wait $!; echo $?; { trap 'echo bye' EXIT; trap - EXIT; exit 4; } & echo end`, "bye\n3\nend\n", 0},
		{
			"a group in the background forgets its trap", `{ trap EXIT; exit 3; } & { trap -- - EXIT; exit 4; } & { command trap - EXIT; exit 5; } & { builtin trap - exit; exit 6; } & { trap 0 2; exit 7; } &
wait %1; echo $?; wait %2; echo $?; wait %3; echo $?; wait %4; echo $?; wait %5; echo $?`, "3\n4\n5\n6\n7\n", 0,
		},
		{"a group in the background has traps in other words", `{ trap -- 'echo bye' EXIT; exit 3; } & wait; { command -- trap 'echo "it is over"' sigexit; exit 3; } & wait`, "bye\nit is over\n", 0},
		{
			"a group in the background has one trap for two", `{ trap "echo it\'s" EXIT ERR; false; touch failed; sleep 100; echo no; } & until [ -e failed ]; do sleep 0.01; done; kill %1; wait %1; echo $?`,
			"it's\n143\n", 0,
		},
		{"traps for signals are none", `trap INT && trap 2 15 && trap - TERM && trap '' HUP && trap 'echo bye' 0 int && echo set; trap nothing 2>/dev/null || echo unknown`, "set\nunknown\nbye\n", 0},
		{"what makes sure of a builtin", `sleep 100 & command kill %1; command wait %1; echo $?; command umask 077; command umask; command -v trap`, "143\n0077\ntrap\n", 0},
		{"a signal in small letters ends a group", `{ sleep 100; echo no; } & kill -term %1; wait %1; echo $?; { sleep 100; echo no; } & kill -s sighup %1; wait %1; echo $?`, "143\n129\n", 0},
		{"a background command that is not there", `set -e; nothing-here & wait $! || echo $?`, "127\n", 0},
		{"umask", `umask 077; touch f; ls -l f | cut -c1-10; umask`, "-rw-------\n0077\n", 0},
		{"read", `printf 'a b\nc\n' | while read x y; do echo "$x-$y"; done`, "a-b\nc-\n", 0},
		{"printf and test as programs", `env printf '%03d|%s\n' 7 x; env test 1 -lt 2 && env [ a = a ] && env echo ok`, "007|x\nok\n", 0},
		{"eval and source", `echo 'v=5' >lib; . ./lib; eval 'echo $v'`, "5\n", 0},
		{"local", `f() { local v=1; echo $v; }; v=0; f; echo $v`, "1\n0\n", 0},
		{"getopts", `set -- -a -b x; while getopts ab: o; do echo $o $OPTARG; done`, "a\nb x\n", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			im := newImage(t)
			file := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(file, []byte(test.script), 0o644); err != nil {
				t.Fatal(err)
			}
			for way, cmd := range map[string]*exec.Cmd{"-c": im.command("sh", "-c", test.script), "file": newImage(t).command("sh", file)} {
				got := run(t, cmd)
				if got.out != test.out || got.status != test.status {
					t.Errorf("sh %s: wrote %q, status %d; want %q, %d; stderr: %s", way, got.out, got.status, test.out, test.status, got.err)
				}
			}
		})
	}
}

func TestShellReadsScriptsFromStandardInput(t *testing.T) {
	tests := []struct {
		name, script, out string
		status            int
	}{
		{"commands in order", "echo a\necho b\n", "a\nb\n", 0},
		{"no line end at the end", "echo a", "a\n", 0},
		{"commands of several lines", "for i in 1 2\ndo\necho $i\ndone\n", "1\n2\n", 0},
		{"a command reads what follows it", "read x\nhello\necho got $x\n", "got hello\n", 0},
		{"a program reads what follows it", "head -1\nhello\n", "hello\n", 0},
		{"exit", "exit 4\necho never\n", "", 4},
		{"the last status", "true\nfalse\n", "", 1},
		{"exit trap", "trap 'echo bye' EXIT\necho hi\n", "hi\nbye\n", 0},
		{"background", "sleep 100 &\nkill $!\nwait $!\necho $?\n", "143\n", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := newImage(t).command("sh")
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := w.WriteString(test.script); err != nil {
				t.Fatal(err)
			}
			w.Close()
			cmd.Stdin = r
			if got := run(t, cmd); got.out != test.out || got.status != test.status {
				t.Errorf("wrote %q, status %d; want %q, %d; stderr: %s", got.out, got.status, test.out, test.status, got.err)
			}
		})
	}
}

func TestShellCommandLine(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		out    string
		status int
	}{
		{"name and arguments after -c", []string{"-c", `echo $0 $1 $#`, "name", "one", "two"}, "name one 2\n", 0},
		{"joined letters", []string{"-ec", `false; echo never`}, "", 1},
		{"a login shell", []string{"-lc", `echo hi`}, "hi\n", 0},
		{"an option by name", []string{"-o", "pipefail", "-c", `false | true`}, "", 1},
		{"-x off", []string{"+x", "-c", `echo hi`}, "hi\n", 0},
		{"-c without a command", []string{"-c"}, "", 2},
		{"an unknown option", []string{"-Q"}, "", 2},
		{"a script that is not there", []string{"nothing.sh"}, "", 127},
		{"-- ends the options", []string{"-c", "--", `echo hi`}, "hi\n", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, newImage(t).command("sh", test.args...))
			if got.out != test.out || got.status != test.status {
				t.Errorf("wrote %q, status %d; want %q, %d; stderr: %s", got.out, got.status, test.out, test.status, got.err)
			}
			if test.status == 2 && strings.Count(got.err, "\n") != 1 {
				t.Errorf("stderr is %q, want one line", got.err)
			}
		})
	}
}
