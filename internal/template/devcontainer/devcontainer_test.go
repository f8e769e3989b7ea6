package devcontainer

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

var update = flag.Bool("update", false, "write the golden files anew")

// input is what the files of testdata are read with. Those whose name begins with
// root- are at the top of the project, those with shared- have it on this machine.
func input(name, text string) Input {
	in := Input{
		Text: text, Folder: "/home/ann/shop", ID: "d0123456789",
		Local:    map[string]string{"HOME": "/home/ann", "USER": "ann", "TRICK": "${localEnv:HOME} ${containerWorkspaceFolder}"},
		Defaults: workspace.Limits{CPUs: 1, Memory: 2 << 30}, Ceiling: workspace.Limits{CPUs: 8, Memory: 16 << 30},
	}
	if strings.HasPrefix(name, "root-") {
		in.Path = ".devcontainer.json"
	}
	if strings.HasPrefix(name, "shared-") {
		in.Project = "/srv/shop"
	}
	return in
}

func TestEachShapeHasItsSpec(t *testing.T) {
	files, err := filepath.Glob("testdata/*.jsonc")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d shapes, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonc")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out, err := Read(input(name, string(text)))
			if err != nil {
				t.Fatal(err)
			}
			sound(t, input(name, string(text)), out)
			got, err := json.MarshalIndent(out, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".jsonc") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got)+"\n" != string(want) {
				t.Errorf("%s differs; run with -update if that is right. Got:\n%s", golden, got)
			}
		})
	}
}

// sound is what holds for every result, whatever the file says.
func sound(t *testing.T, in Input, out Result) {
	t.Helper()
	s := out.Spec
	if (s.Image == "") == (s.Build == nil) {
		t.Errorf("an image %q and a build %v", s.Image, s.Build)
	}
	if s.Image != "" && workspace.ValidateImage(s.Image) != nil {
		t.Errorf("the image is %q", s.Image)
	}
	if b := s.Build; b != nil {
		if !local(b.Dockerfile) || out.Context != "." && !local(out.Context) || workspace.ValidateEnv(b.Args) != nil || b.Context != "" {
			t.Errorf("the build is %+v in %q", b, out.Context)
		}
	}
	if workspace.ValidateEnv(s.Env) != nil || workspace.ValidateEnv(s.RemoteEnv) != nil || workspace.ValidateCommand(s.Command) != nil {
		t.Errorf("environment %q, %q, command %q", s.Env, s.RemoteEnv, s.Command)
	}
	for _, h := range s.Hooks {
		if len(h.Command) == 0 || workspace.ValidateCommand(h.Command) != nil {
			t.Errorf("the hook %+v", h)
		}
	}
	if s.Port != 0 && workspace.ValidatePort(s.Port) != nil {
		t.Errorf("the port is %d", s.Port)
	}
	for _, p := range s.Ports {
		if workspace.ValidatePort(p.Port) != nil {
			t.Errorf("the port %+v", p)
		}
	}
	if s.Profile != workspace.Writable || s.Source != nil || s.Files != nil || !filepath.IsAbs(s.Dir) || filepath.Clean(s.Dir) != s.Dir {
		t.Errorf("profile %s, source %v, dir %q", s.Profile, s.Source, s.Dir)
	}
	if s.User != "" && workspace.ValidateUser(s.User) != nil {
		t.Errorf("the user is %q", s.User)
	}
	l := s.Limits
	if l.CPUs < 0 || l.CPUs > in.Ceiling.CPUs || l.Memory < 0 || l.Memory > in.Ceiling.Memory || l.Pids != 0 {
		t.Errorf("the limits are %+v", l)
	}
	soundMounts(t, in, s.Mounts)
}

func soundMounts(t *testing.T, in Input, mounts []workspace.Mount) {
	t.Helper()
	if len(mounts) > workspace.MaxMounts {
		t.Errorf("%d mounts", len(mounts))
	}
	for _, m := range mounts {
		if targetProblem(m.Target, m.Target) != "" || filepath.Clean(m.Target) != m.Target {
			t.Errorf("the mount %+v", m)
		}
		switch m.Kind {
		case "bind":
			if in.Project == "" || filepath.Clean(m.Source) != m.Source || m.Source != in.Project && !strings.HasPrefix(m.Source, in.Project+"/") {
				t.Errorf("a folder that is not the project's: %+v", m)
			}
		case "volume":
			if m.Source == "" || len(m.Source) > 63 || strings.ContainsAny(m.Source, "/:\\") {
				t.Errorf("the volume %+v", m)
			}
		case "tmpfs":
		default:
			t.Errorf("the mount %+v", m)
		}
	}
}

// read reads the members of a file that has an image.
func read(t *testing.T, members string) (Result, error) {
	t.Helper()
	return Read(input("", `{"image": "x", `+members+`}`))
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	for _, c := range []struct{ name, text, code, want string }{
		{"no text", "", "devcontainer_syntax", "ends too early"},
		{"a bracket that stays open", "{\n\t\"image\": \"x\"\n", "devcontainer_syntax", "ends too early"},
		{"a comma that is missing", "{\n\t\"image\": \"x\"\n\t\"name\": \"y\"\n}", "devcontainer_syntax", "line 3, column 2: invalid character"},
		{"a comment that stays open", "{ /* \"image\": \"x\" }", "devcontainer_syntax", "line 1"},
		{"an array", "[]", "devcontainer_syntax", "line 1, column 1: it is not an object"},
		{"text after it", "{\"image\": \"x\"} {}", "devcontainer_syntax", "line 1, column 16"},
		{"bytes that are no text", "{\"image\": \"\xff\"}", "devcontainer_syntax", "UTF-8"},
		{"256 KiB", "{\"image\": \"x\"}" + strings.Repeat(" ", maxText), "devcontainer_too_large", "at most"},
		{"10,001 brackets", "{\"a\": " + strings.Repeat("[", 10_001), "devcontainer_syntax", "more than 32 brackets"},
		{"a key twice", "{\n\"image\": \"x\",\n\"image\": \"y\"}", "devcontainer_duplicate_key", "line 3, column 1: image is given twice"},
		{"a key twice in another spelling", `{"image": "x", "im\u0061ge": "y"}`, "devcontainer_duplicate_key", "image is given twice"},
		{"a key twice deep inside", `{"image": "x", "remoteEnv": {"A": "1", "A": "2"}}`, "devcontainer_duplicate_key", "remoteEnv/A"},
		{"neither image nor build", `{"name": "x"}`, "devcontainer_invalid", "image is missing"},
		{"compose", `{"dockerComposeFile": "docker-compose.yml", "service": "app"}`, "devcontainer_invalid", "asks for Docker Compose"},
		{"a number as an image", "{\n  \"image\": 7}", "devcontainer_invalid", "line 2, column 12: image must be text"},
		{"an image that is none", `{"image": "HTTP://x"}`, "devcontainer_invalid", "not an image reference"},
		{"an image of an absent variable", `{"image": "${localEnv:NOPE}"}`, "devcontainer_invalid", "not an image reference"},
		{"a build without a Dockerfile", `{"build": {"context": ".."}}`, "devcontainer_invalid", "build.dockerfile is missing"},
		{"a Dockerfile outside", `{"build": {"dockerfile": "../../Dockerfile"}}`, "devcontainer_invalid", "not a file of the project"},
		{"a Dockerfile of the machine", `{"build": {"dockerfile": "/etc/passwd"}}`, "devcontainer_invalid", "not a file of the project"},
		{"a context outside", `{"build": {"dockerfile": "Dockerfile", "context": "../.."}}`, "devcontainer_invalid", "not a folder of the project"},
		{"a Dockerfile outside of its context", `{"build": {"dockerfile": "../Dockerfile", "context": "ctx"}}`, "devcontainer_invalid", "must be inside the build context"},
		{"a stage with an option in it", `{"build": {"dockerfile": "Dockerfile", "target": "--x"}}`, "devcontainer_invalid", "not the name of a build stage"},
		{"a port as text", `{"image": "x", "forwardPorts": 3000}`, "devcontainer_invalid", "forwardPorts must be an array"},
		{"port 0", `{"image": "x", "forwardPorts": [0]}`, "devcontainer_invalid", "not a TCP port"},
		{"port 65536", `{"image": "x", "forwardPorts": [65536]}`, "devcontainer_invalid", "not a TCP port"},
		{"half a port", `{"image": "x", "forwardPorts": [80.5]}`, "devcontainer_invalid", "not a TCP port"},
		{"a command that is a number", `{"image": "x", "postCreateCommand": 1}`, "devcontainer_invalid", "postCreateCommand must be text"},
		{"a command with a number in it", `{"image": "x", "postCreateCommand": ["a", 1]}`, "devcontainer_invalid", "postCreateCommand must be text"},
		{"commands in commands", `{"image": "x", "postCreateCommand": {"a": {"b": "c"}}}`, "devcontainer_invalid", "postCreateCommand.a must be a line"},
		{"a command with a NUL", `{"image": "x", "postCreateCommand": "a\u0000b"}`, "devcontainer_invalid", "NUL"},
		{"a command whose first word is empty", `{"image": "x", "postCreateCommand": ["", "a"]}`, "devcontainer_invalid", "word 1"},
		{"an unknown stage", `{"image": "x", "waitFor": "postCreate"}`, "devcontainer_invalid", "waitFor must be one of"},
		{"a stage in other letters", `{"image": "x", "waitFor": "postcreateCommand"}`, "devcontainer_invalid", "did you mean postCreateCommand?"},
		{"a user with a space", `{"image": "x", "remoteUser": "a b"}`, "devcontainer_invalid", "not a user"},
		{"a user that an engine cannot count to", `{"image": "x", "remoteUser": "4294967295"}`, "devcontainer_invalid", "not a user"},
		{"a relative folder", `{"image": "x", "workspaceFolder": "src"}`, "devcontainer_invalid", "absolute path"},
		{"a folder with a newline", `{"image": "x", "workspaceFolder": "/a\nb"}`, "devcontainer_invalid", "absolute path"},
		{"text for a truth value", `{"image": "x", "overrideCommand": "no"}`, "devcontainer_invalid", "must be true or false"},
		{"a mount that is a list", `{"image": "x", "mounts": [["a"]]}`, "devcontainer_invalid", "texts or objects"},
		{"a mount with a quote", `{"image": "x", "mounts": ["a\"b"]}`, "devcontainer_invalid", "not a mount"},
		{"too many commands", `{"image": "x", "postCreateCommand": {` + many(`"C%d": "x"`, 65) + `}}`, "devcontainer_invalid", "at most 64"},
		{"too many variables", `{"image": "x", "containerEnv": {` + many(`"V%d": "1"`, 257) + `}}`, "devcontainer_invalid", "at most 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(input("", c.text))
			e := fault.From(err)
			if e == nil || e.Code != c.code || !strings.Contains(e.Text, c.want) || e.Hint == "" {
				t.Fatalf("want %s with %q, got %+v", c.code, c.want, e)
			}
			if len(e.Text) > 1000 {
				t.Errorf("the sentence has %d bytes", len(e.Text))
			}
		})
	}
}

// many is member n times, with a number in each.
func many(member string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(member, i)
	}
	return strings.Join(list, ", ")
}

func TestEveryMistakeIsToldAtOnceInTheOrderOfTheFile(t *testing.T) {
	_, err := Read(input("", "{\n\"waitFor\": \"x\",\n\"forwardPorts\": 1,\n\"image\": 7\n}"))
	var e *fault.Error
	if !errors.As(err, &e) || len(e.Fields) != 3 {
		t.Fatalf("got %v", err)
	}
	for i, want := range []string{"/waitFor", "/forwardPorts", "/image"} {
		if e.Fields[i].Pointer != want {
			t.Errorf("mistake %d is %+v, want %s", i, e.Fields[i], want)
		}
	}
}

func TestWhatIsOnlyAPreferenceSpoilsNothing(t *testing.T) {
	for members, want := range map[string]string{
		`"hostRequirements": {"cpus": 0}`:                            "whole number of cores",
		`"hostRequirements": {"memory": "999999tb"}`:                 "size such as 4gb",
		`"hostRequirements": {"memory": true}`:                       "size such as 4gb",
		`"portsAttributes": {"80": {"onAutoForward": "open"}}`:       "one of notify, openBrowser",
		`"portsAttributes": {"80": {"onAutoForward": "opnBrowser"}}`: "did you mean openBrowser?",
		`"portsAttributes": {"80": {"protocol": "tcp"}}`:             "one of http, https",
	} {
		out, err := read(t, members)
		if err != nil || len(out.Spec.Notes) != 1 || !strings.Contains(out.Spec.Notes[0].Reason, want) {
			t.Errorf("%s: got %+v, %v", members, out.Spec.Notes, err)
		}
	}
	out, err := read(t, `"hostRequirements": {"cpus": "4", "memory": 4294967296}, "customizations": {"x": {"a": 1, "a": 2}}`)
	if l := out.Spec.Limits; err != nil || l.CPUs != 4 || l.Memory != 4<<30 || len(out.Spec.Notes) > 0 {
		t.Errorf("got %+v, notes %v, %v", l, out.Spec.Notes, err)
	}
}

func TestAFileIsOnlyReadFromItsProject(t *testing.T) {
	for _, p := range []string{"/etc/devcontainer.json", "../devcontainer.json", "a/../../x", "..", "a//b", "a\nb"} {
		in := input("", `{"image": "x"}`)
		in.Path = p
		if _, err := Read(in); !fault.HasCode(err, "devcontainer_path_invalid") {
			t.Errorf("%q: got %v", p, err)
		}
	}
}

func TestTheHashCoversWhatRunsAndNothingElse(t *testing.T) {
	base := `{"image": "x", "postCreateCommand": {"a": "1", "b": ["2"]}, "remoteEnv": {"N": "1.0"}}`
	want, err := Hash(base)
	if err != nil || len(want) != 64 {
		t.Fatal(want, err)
	}
	for name, same := range map[string]string{
		"comments":         "// hello\n" + base,
		"order and spaces": `{"remoteEnv": {"N": "1.0"}, "postCreateCommand": {"b": ["2",], "a": "1"}, "image":"x",}`,
		"escapes":          `{"image": "\u0078", "postCreateCommand": {"a": "1", "b": ["2"]}, "remoteEnv": {"N": "1.0"}}`,
		"ports and names":  strings.Replace(base, "{", `{"name": "n", "forwardPorts": [1], "customizations": {"a": 1}, "initializeCommand": "rm", `, 1),
		"a null":           strings.Replace(base, "{", `{"onCreateCommand": null, `, 1),
	} {
		if got, err := Hash(same); got != want || err != nil {
			t.Errorf("%s change the hash: %v", name, err)
		}
	}
	for name, other := range map[string]string{
		"another command":      strings.Replace(base, `"1"`, `"1 "`, 1),
		"line instead of list": strings.Replace(base, `["2"]`, `"2"`, 1),
		"another image":        strings.Replace(base, `"x"`, `"y"`, 1),
		"another stage":        strings.Replace(base, "postCreate", "onCreate", 1),
		"another variable":     strings.Replace(base, `"1.0"`, `"1.00"`, 1),
		"a build":              strings.Replace(base, "{", `{"build": {"dockerfile": "D"}, `, 1),
		"a mount":              strings.Replace(base, "{", `{"mounts": ["type=tmpfs,target=/x"], `, 1),
		"a user":               strings.Replace(base, "{", `{"remoteUser": "root", `, 1),
		"a secret":             strings.Replace(base, "{", `{"secrets": {"A": {}}, `, 1),
	} {
		if got, err := Hash(other); got == want || err != nil {
			t.Errorf("%s does not change the hash: %v", name, err)
		}
	}
	// The hash is known to people's scripts, so its form is pinned.
	if want != "9edd513c07204bb506dfa940cf43afb5b6268de413d991519c331c96a2e5100a" {
		t.Errorf("the hash of an unchanged file is now %s", want)
	}
}

func TestConsentIsAskedOnlyWhereSomethingRunsOrIsGiven(t *testing.T) {
	for members, asks := range map[string]bool{
		`"forwardPorts": [1]`: false, `"initializeCommand": "x"`: false, `"postCreateCommand": ""`: false, `"mounts": []`: false,
		`"postAttachCommand": "x"`: true, `"build": {"dockerfile": "D"}`: true,
		`"remoteEnv": {"A": "${localEnv:SENT}"}`: true, `"mounts": ["type=volume,target=/c,source=${env:SENT}"]`: true, `"remoteEnv": {"A": "${localEnv:NOT_SENT:x}"}`: false,
	} {
		in := input("", `{"image": "x", `+members+`}`)
		if strings.Contains(members, "build") {
			in = input("", "{"+members+"}")
		}
		in.Local = map[string]string{"SENT": "y"}
		out, err := Read(in)
		if err != nil || (out.Consent != "") != asks {
			t.Errorf("%s: consent %q, %v", members, out.Consent, err)
		}
	}
	in := input("", `{"image": "x", "postCreateCommand": "echo ${localEnv:USER} ${localWorkspaceFolder}"}`)
	one, err := Read(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Local, in.Folder = map[string]string{"USER": "bob"}, "/elsewhere"
	if two, err := Read(in); err != nil || one.Consent != two.Consent {
		t.Errorf("two people agree to different things: %s, %s, %v", one.Consent, two.Consent, err)
	}
}

func TestTheContainersEnvironmentComesLate(t *testing.T) {
	out, err := read(t, `"remoteEnv": {"PATH": "${containerEnv:PATH}:/x", "D": "${containerEnv:NOPE:d}", "H": "${HOME}"}, "postStartCommand": ["a", "${containerEnv:PATH}${containerEnv:NOPE}"]`)
	if err != nil {
		t.Fatal(err)
	}
	s := Late(out.Spec, map[string]string{"PATH": "/bin:${containerEnv:PATH}"})
	if want := map[string]string{"PATH": "/bin:${containerEnv:PATH}:/x", "D": "d", "H": "${HOME}"}; !reflect.DeepEqual(s.RemoteEnv, want) {
		t.Errorf("got %q, want %q", s.RemoteEnv, want)
	}
	if got := s.Hooks[0].Command[1]; got != "/bin:${containerEnv:PATH}" {
		t.Errorf("the hook has %q", got)
	}
	if out.Spec.RemoteEnv["PATH"] != "${containerEnv:PATH}:/x" {
		t.Error("the spec that was given is changed")
	}
}

func TestItIsToldWhichOfTheClientsVariablesAreTaken(t *testing.T) {
	in := input("", `{"image": "x", "containerEnv": {"A": "${localEnv:B} ${env:A:x} ${localEnv:B} ${localEnv:D}"}, "postCreateCommand": "echo ${localEnv:C}"}`)
	in.Local = map[string]string{"A": "1", "B": "2", "C": "3", "E": "5"}
	out, err := Read(in)
	if err != nil || strings.Join(out.Local, " ") != "A B C" {
		t.Errorf("got %q, %v", out.Local, err)
	}
}

func TestAFolderOfAnotherSystemHasABaseName(t *testing.T) {
	for folder, want := range map[string]string{
		"/home/ann/shop": "shop", "shop": "shop", "/home/ann/shop/": "shop", `C:\Users\Ann\shop`: "shop", "": "workspace", "/": "workspace", "..": "workspace",
	} {
		in := input("", `{"image": "x", "containerEnv": {"B": "${localWorkspaceFolderBasename}"}}`)
		in.Folder = folder
		out, err := Read(in)
		if err != nil || out.Spec.Env["B"] != want {
			t.Errorf("%q: got %q, %v", folder, out.Spec.Env["B"], err)
		}
	}
}

func TestTheDocumentHasEveryKey(t *testing.T) {
	text, err := os.ReadFile("../../../docs/devcontainer.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder // the first cells of its rows
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			table.WriteString(cells[1])
		}
	}
	for _, row := range rows {
		if !strings.Contains(table.String(), "`"+row.key+"`") {
			t.Errorf("the key %s is not in the document", row.key)
		}
	}
	for _, kind := range []string{"localEnv", "env", "containerEnv", "localWorkspaceFolder", "localWorkspaceFolderBasename", "containerWorkspaceFolder", "containerWorkspaceFolderBasename", "devcontainerId"} {
		if !strings.Contains(table.String(), "${"+kind) {
			t.Errorf("the variable %s is not in the document", kind)
		}
	}
}
