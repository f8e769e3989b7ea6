package agent_test

import (
	"archive/tar"
	"os"
	"strings"
	"testing"
)

// Each script runs in an image that holds nothing but the applets, in an empty folder.
func TestApplets(t *testing.T) {
	tests := []struct {
		name, script, out string
		status            int
	}{
		{"ls sorts and hides", `touch b a .h; mkdir d; ls; ls -a; ls -A`, "a\nb\nd\n.\n..\n.h\na\nb\nd\n.h\na\nb\nd\n", 0},
		{"ls -F and -1", `mkdir d; touch x; chmod +x x; ln -s x l; ls -1F`, "d/\nl@\nx*\n", 0},
		{"ls -l shows mode, size and target", `umask 022; printf abc >f; ln -s f l; ls -l | cut -c1-10; ls -l l | grep -o 'l -> f'; ls -l f | tr -s ' ' | cut -d' ' -f5`, "-rw-r--r--\nlrwxrwxrwx\nl -> f\n3\n", 0},
		{"ls of several folders", `mkdir a b; touch a/x b/y; ls a b`, "a:\nx\n\nb:\ny\n", 0},
		{"ls -S and -r", `printf 1 >a; printf 12345 >b; ls -S; ls -r`, "b\na\nb\na\n", 0},
		{"ls of what is not there", `ls nothing`, "", 1},
		{"cat joins and numbers", `printf 'a\n' >f; printf 'b\n' | cat f - ; cat -n f`, "a\nb\n     1\ta\n", 0},
		{"cat goes on after an error", `echo a >f; cat nothing f; echo $?`, "a\n1\n", 0},
		{"cp of a file", `umask 022; echo a >f; chmod 755 f; cp f g; mkdir d; cp f g d; ls d; ls -l g | cut -c1-10`, "f\ng\n-rwxr-xr-x\n", 0},
		{"cp -r keeps links", `mkdir d; echo a >d/f; ln -s f d/l; cp -r d e; readlink e/l; cat e/f`, "f\na\n", 0},
		{"cp -a keeps times and modes", `echo a >f; chmod 640 f; touch -d 2001-02-03 f; cp -a f g; date -r g +%F; ls -l g | cut -c1-10`, "2001-02-03\n-rw-r-----\n", 0},
		{"cp of a folder needs -r", `mkdir d; cp d e`, "", 1},
		{"cp into itself is refused", `mkdir d; echo x >d/f; cp -r d d/e; echo $?; find d | sort`, "1\nd\nd/f\n", 0},
		{"cp onto itself is refused", `echo a >f; cp f f; echo $?; cat f`, "1\na\n", 0},
		{"mv renames and replaces", `echo a >f; echo b >g; mv -f f g; cat g; ls`, "a\ng\n", 0},
		{"mv into a folder", `touch a b; mkdir d; mv a b d/; ls d`, "a\nb\n", 0},
		{"mv -n keeps", `echo a >f; echo b >g; mv -n f g; cat g`, "b\n", 0},
		{"mv to another file system", `touch -d 2001-02-03 f; T=$(mktemp -d -p /dev/shm); mkdir d; mv f d/; mv d $T/x; ls $T/x; date -r $T/x/f +%F; ls; rm -r $T`, "f\n2001-02-03\n", 0},
		{"rm", `mkdir -p d/e; touch f d/e/g; rm f; rm d; echo $?; rm -rf d nothing; ls; rm nothing; echo $?`, "1\n1\n", 0},
		{"rm keeps what is still needed", `rm -rf . ; echo $?; rm -r /; echo $?; rm; echo $?; rm -f; echo $?`, "1\n1\n2\n0\n", 0},
		{"rm of a link keeps its target", `mkdir d; touch d/f; ln -s d l; rm -r l; ls d`, "f\n", 0},
		{"mkdir", `mkdir -p a/b/c; mkdir a; echo $?; mkdir -m 700 s; ls -l | grep s | cut -c1-10; rmdir -p a/b/c; ls`, "1\ndrwx------\ns\n", 0},
		{"rmdir takes no file", `touch f; rmdir f; echo $?; ls`, "1\nf\n", 0},
		{"touch", `touch -d '2001-02-03 04:05:06' f; date -r f '+%F %T'; touch -c g; ls`, "2001-02-03 04:05:06\nf\n", 0},
		{
			"chmod", `touch f; m() { chmod $1 f; ls -l f | cut -c1-10; }; m 644; m u+x; m go-r; m a=r; m +t; m u+rwxs; m g=u; m -x`,
			"-rw-r--r--\n-rwxr--r--\n-rwx------\n-r--r--r--\n-r--r--r-T\n-rwsr--r-T\n-rwsrwxr-T\n-rwSrw-r-T\n", 0,
		},
		{"chmod -R with X", `mkdir d; touch d/f; chmod -R 600 d; chmod -R a+rX d; ls -l | cut -c1-10; ls -l d | cut -c1-10`, "drwxr-xr-x\n-rw-r--r--\n", 0},
		{"chmod of nonsense", `touch f; chmod u+q f`, "", 1},
		{"ln and readlink", `echo a >f; ln f h; ln -s f s; ln -sf h s; readlink s; cat h; basename "$(readlink -f s)"`, "h\na\nh\n", 0},
		{"basename and dirname", `basename /a/b.c .c; basename /; dirname /a/b.c a /a/`, "b\n/\n/a\n.\n/\n", 0},
		{"find by name, type and depth", `mkdir -p a/b; touch a/x.go a/b/y.go; find . -name '*.go' | sort; find a -type d; find . -maxdepth 1 ! -name .`, "./a/b/y.go\n./a/x.go\na\na/b\n./a\n", 0},
		{"find -exec", `touch x y; find . -type f -exec echo got {} \; | sort; find . -type f -exec echo {} + | wc -l`, "got ./x\ngot ./y\n1\n", 0},
		{"find -delete and -empty", `mkdir -p a/b; touch a/b/c; echo x >a/d; find a -empty; find a -name b -delete; find a -type f -empty -delete; find a -empty -delete; find a`, "a/b/c\na\na/d\n", 0},
		{"find with or, prune and print0", `mkdir a b; touch a/x b/y; find . -name a -prune -o -name y -print; find b -type f -print0 | tr '\0' '!'`, "./b/y\nb/y!", 0},
		{"find by size and time", `printf 12345 >f; touch -d 2001-02-03 old; find . -type f -size +4c; find . -mtime +1; find . -newer old -type f`, "./f\n./old\n./f\n", 0},
		{"find of nonsense", `find . -nonsense`, "", 1},
		{"head", `seq 20 | head | wc -l; seq 5 | head -2; seq 5 | head -c 3; echo; seq 3 >f; head -n1 f f`, "10\n1\n2\n1\n2\n==> f <==\n1\n\n==> f <==\n1\n", 0},
		{"tail", `seq 20 | tail | head -1; seq 5 | tail -2; seq 5 | tail -n +4; printf abcdef | tail -c 2`, "11\n4\n5\n4\n5\nef", 0},
		{"wc", `printf 'a b\nc' >f; wc f; wc -l <f; wc -w f f; printf 'äö' | wc -m`, "1 3 5 f\n1\n3 f\n3 f\n6 total\n2\n", 0},
		{"grep statuses", `echo a >f; grep a f; echo $?; grep b f; echo $?; grep -q a f nothing 2>/dev/null; echo $?; grep b f nothing; echo $?; grep '(' f; echo $?; grep -E '(' f; echo $?`, "a\n0\n1\n0\n2\n1\n2\n", 0},
		{
			"grep options", `printf 'Foo\nbar\nfoobar\n' >f; grep -i foo f; grep -v foo f; grep -n bar f; grep -c foo f; grep -w foo f; grep -x bar f; grep -o 'o*b' f; grep -l bar f; grep -m1 bar f`,
			"Foo\nfoobar\nFoo\nbar\n2:bar\n3:foobar\n1\nbar\nb\noob\nf\nbar\n", 0,
		},
		{
			"grep patterns", `printf 'a+b\naab\n(x)\n' >f; grep 'a+b' f; grep 'a\+b' f; grep -E 'a+b' f; grep -F '(x)' f; grep '(x)' f; grep '^\(a\)' f; grep -e x -h f f`,
			"a+b\naab\naab\n(x)\n(x)\na+b\naab\n(x)\n(x)\n", 0,
		},
		{"grep context", `seq 9 >f; grep -A1 -B1 5 f; grep -C1 -n '[28]' f`, "4\n5\n6\n1-1\n2:2\n3-3\n--\n7-7\n8:8\n9-9\n", 0},
		{"grep -r", `mkdir -p d/e; echo hit >d/e/f; echo hit >d/g; grep -r hit d | sort; grep -rl hit`, "d/e/f:hit\nd/g:hit\nd/e/f\nd/g\n", 0},
		{
			"sort", `printf 'b\na\nc\na\n' | sort; printf '10\n9\n' | sort -n; printf 'a\na\nb\n' | sort -ru; printf 'x 2\ny 1\n' | sort -k2n; printf 'a:2\nb:1\n' | sort -t: -k2; printf '2K\n1M\n3\n' | sort -h`,
			"a\na\nb\nc\n9\n10\nb\na\ny 1\nx 2\nb:1\na:2\n3\n2K\n1M\n", 0,
		},
		{"sort onto its own input", `printf 'b\na\n' >f; sort -o f f; cat f`, "a\nb\n", 0},
		{"uniq", `printf 'a\na\nb\n' | uniq; printf 'a\na\nb\n' | uniq -c; printf 'a\na\nb\n' | uniq -d; printf 'a\na\nb\n' | uniq -u`, "a\nb\n      2 a\n      1 b\na\nb\n", 0},
		{"cut", `echo a:b:c | cut -d: -f1,3; echo abcdef | cut -c2-4; echo none | cut -d: -f1; echo none | cut -s -d: -f1; echo a:b:c | cut -d: -f2-`, "a:c\nbcd\nnone\nb:c\n", 0},
		{"tr", `echo hello | tr a-y b-z; echo hello | tr -d l; echo 'a  b' | tr -s ' '; echo Hi | tr '[:upper:]' '[:lower:]'; printf 'a\nb\n' | tr '\n' ,; echo; echo a1b2 | tr -cd 0-9`, "ifmmp\nheo\na b\nhi\na,b,\n12", 0},
		{"bytes that are no text stay", `printf 'a\377\376b\r\n' | tr -d '\r' | base64; printf 'a\377b' | tr '\377' x; echo; printf 'a\377b' | xargs printf %s | base64`, "Yf/+Ygo=\naxb\nYf9i\n", 0},
		{"tee", `echo a | tee f g; echo b | tee -a f; cat f g`, "a\nb\na\nb\na\n", 0},
		{"seq", `seq 3; seq 2 4; seq 0 5 10; seq 3 -1 1; seq 0.5 1.5`, "1\n2\n3\n2\n3\n4\n0\n5\n10\n3\n2\n1\n0.5\n1.5\n", 0},
		{
			"xargs", `echo a b | xargs echo x; seq 3 | xargs -n2 echo; printf 'a b\nc\n' | xargs -I{} echo '<{}>'; printf 'a b\0c\0' | xargs -0 -n1 echo; printf '"a b" c' | xargs -n1 echo; xargs -r echo no </dev/null; echo x | xargs false; echo $?`,
			"x a b\n1 2\n3\n<a b>\n<c>\na b\nc\na b\nc\n123\n", 0,
		},
		{"base64", `printf hello | base64; seq 30 | base64 | head -1 | wc -c; seq 30 | base64 | base64 -d | tail -1; printf '!' | base64 -d; echo $?`, "aGVsbG8=\n77\n30\n1\n", 0},
		{
			"checksums", `printf abc | sha256sum; printf abc | md5sum; printf abc >f; sha256sum f >s; sha256sum -c s; echo x >f; sha256sum -c s 2>/dev/null; echo $?`,
			"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n900150983cd24fb0d6963f7d28e17f72  -\nf: OK\nf: FAILED\n1\n", 0,
		},
		{
			"tar", `mkdir -p d/e; echo a >d/f; ln -s f d/l; chmod 750 d/f; tar czf a.tgz d; tar tf a.tgz; mkdir o; tar xzf a.tgz -C o; cat o/d/l; ls -l o/d/f | cut -c1-10; mkdir p; tar -x -f a.tgz -C p --strip-components 1; ls p`,
			"d/\nd/e/\nd/f\nd/l\na\n-rwxr-x---\ne\nf\nl\n", 0,
		},
		{"tar by pipes", `mkdir d; echo a >d/f; tar cf - d | (mkdir o; cd o; tar xf -); cat o/d/f`, "a\n", 0},
		{"gzip", `echo a >f; gzip f; ls; zcat f.gz; gunzip f.gz; cat f; echo b | gzip -c | gzip -dc`, "f.gz\na\na\nb\n", 0},
		{"env", `A=1 env -u A B=2 sh -c 'echo "[$A]" $B'; env -i X=1 env; env nothing-here; echo $?`, "[] 2\nX=1\n127\n", 0},
		{"sleep and timeout", `sleep 0.01; timeout 5 true; echo $?; timeout 0.01 sleep 10; echo $?; timeout 5 sh -c 'exit 3'; echo $?; timeout 5 env echo -n x; sleep x; echo $?`, "0\n124\n3\nx1\n", 0},
		{"date", `date -u -d @0 +%FT%TZ; date -u -d '2001-02-03 04:05:06' '+%d/%m/%y %H:%M:%S %a %j %s %%'; date -d nonsense; echo $?`, "1970-01-01T00:00:00Z\n03/02/01 04:05:06 Sat 034 981173106 %\n1\n", 0},
		{"kill", `sh -c 'kill -TERM $$; sleep 10'; echo $?; kill -l | head -1; env kill -0 $$; echo $?; kill -NONSENSE 1; echo $?`, "143\n1 HUP\n0\n1\n", 0},
		{"ps shows the shell", `ps | head -1 | tr -s ' '; ps | tr -s ' ' | cut -d' ' -f1 | grep -c "^$$\$"`, "PID PPID USER STAT RSS TIME COMMAND\n1\n", 0},
		{"who and where", `test "$(id -u)" = "$(id -u)" && uname -s; test "$(hostname)" = "$(uname -n)" && echo same; which sh | grep -c /sh; which nothing-here; echo $?`, "Linux\nsame\n1\n1\n", 0},
		{"du and df", `head -c 100000 /dev/zero >f; du -a -b | sort -n | head -1; df . | head -1 | tr -s ' '; df . | wc -l`, "100000\t./f\n 1K-blocks Used Available Use% Mounted on\n2\n", 0},
		{"an unknown option is an error", `for c in ls cat cp mv rm mkdir touch head tail wc grep sort uniq cut tr tee xargs base64 sha256sum tar gzip id uname date du df ln rmdir readlink; do $c -Y >/dev/null 2>&1 && echo $c; done; true`, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cmd := newImage(t).command("sh", "-c", test.script)
			got := run(t, cmd)
			if got.out != test.out || got.status != test.status {
				t.Errorf("wrote\n%s\nstatus %d; want\n%s\nstatus %d; stderr: %s", got.out, got.status, test.out, test.status, got.err)
			}
		})
	}
}

func TestAppletsWriteOneLineForOneError(t *testing.T) {
	for _, script := range []string{"cat nothing", "ls nothing", "rm nothing", "cp nothing x", "mv nothing x", "chmod 600 nothing", "head nothing", "tar tf nothing", "grep x nothing", "mkdir a/b/c", "du nothing", "kill nothing"} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			got := run(t, newImage(t).command("sh", "-c", script))
			name, _, _ := strings.Cut(script, " ")
			if !strings.HasPrefix(got.err, name+": ") || strings.Count(got.err, "\n") != 1 || got.status == 0 {
				t.Errorf("status %d, stderr %q", got.status, got.err)
			}
		})
	}
}

func TestTarStaysInItsFolder(t *testing.T) {
	tests := []struct{ name, script string }{
		{"through a link out of it", `mkdir in out; ln -s ../out in/l; tar cf a.tar -C in l; mkdir -p src/l; echo x >src/l/f; tar cf b.tar -C src l/f; cd in; tar xf ../a.tar; tar xf ../b.tar; cd ..; ls out`},
		{"by a name with dots", `mkdir in; tar xf evil.tar -C in; ls -A | grep -c outside || true`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			im := newImage(t)
			writeEvilTar(t, im.dir+"/evil.tar")
			got := run(t, im.command("sh", "-c", test.script))
			if got.out != "" && got.out != "0\n" {
				t.Errorf("something got out: %q, stderr %s", got.out, got.err)
			}
		})
	}
}

// writeEvilTar makes an archive whose only file wants to be outside.
func writeEvilTar(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	body := "x"
	for _, err := range []error{
		w.WriteHeader(&tar.Header{Name: "../outside", Mode: 0o644, Size: int64(len(body))}),
		second(w.Write([]byte(body))), w.Close(), f.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func second(_ int, err error) error { return err }
