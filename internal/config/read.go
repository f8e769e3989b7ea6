package config

import (
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/pflag"

	"github.com/wsctl/wsctl/internal/fault"
)

// Sources is where Read looks. The zero value has nothing: no file, no
// environment, root's defaults.
type Sources struct {
	File     string         // named by the person: must exist; empty: WSD_CONFIG, else DefaultFile
	Env      []string       // KEY=VALUE, as os.Environ gives; the first of equal names wins
	OtherEnv []string       // names beginning with WSD_ that others read: no warning for them
	Flags    *pflag.FlagSet // flags named as Key.Flag says count where they were given
	UID      int
	Home     string // empty where unknown
	CPUs     int    // cores of the host; 0: ask
}

// ProcessSources returns the sources of this process. Where HOME is unset, the
// user database is asked.
func ProcessSources(file string, flags *pflag.FlagSet) Sources {
	home := os.Getenv("HOME")
	if home == "" {
		if u, err := user.Current(); err == nil {
			home = u.HomeDir
		}
	}
	return Sources{File: file, Env: os.Environ(), Flags: flags, UID: os.Getuid(), Home: home}
}

// AddFlags defines on fs the flag of every named key, so that Read finds it
// there. It panics on a name that is not a key.
func AddFlags(fs *pflag.FlagSet, names ...string) {
	keys := Keys(runtime.NumCPU())
	for _, name := range names {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
		if i < 0 {
			panic("config: no key " + name)
		}
		fs.String(keys[i].Flag(), "", strings.ToLower(keys[i].About[:1])+strings.TrimSuffix(keys[i].About[1:], "."))
	}
}

// Settings is what Read found.
type Settings struct {
	Origins Origins
	File    []byte // content of the file; nil where there is none
}

// Text is the value of a key, as a person would write it; "" where there is no
// such key.
func (s Settings) Text(key string) string {
	o, _ := s.Origins.Explain(key)
	return o.Value
}

// Read reads every source, validates once and returns the value of every key with
// its origin. The error is a fault.Error of kind Invalid that names every wrong
// value, its source and what is allowed; Settings then tell only the sources.
func Read(src Sources) (Settings, error) {
	l, err := newLoader(src)
	if err != nil {
		return Settings{Origins: l.origins}, err
	}
	l.collect()
	l.crossCheck()
	l.crossCheckPolicies()
	l.warn()
	if err := l.fault(); err != nil {
		return Settings{Origins: l.origins}, err
	}
	for i, k := range l.keys {
		l.origins.Keys[i].Value = k.rule.form(l.accepted[k.Name])
	}
	return Settings{l.origins, l.data}, nil
}

// loader is one run of Read.
type loader struct {
	src      Sources
	env      map[string]string
	keys     []Key
	data     []byte         // the file
	file     map[string]any // its tables
	lines    map[string]int // of the keys in the file
	unknown  []string       // keys of the file that are none of ours
	policies []string       // names of the policies that the file has
	accepted map[string]given
	origins  Origins
	problems []fault.Field
}

func newLoader(src Sources) (*loader, error) {
	if src.CPUs <= 0 {
		src.CPUs = runtime.NumCPU()
	}
	l := &loader{src: src, env: environ(src.Env), keys: Keys(src.CPUs), accepted: map[string]given{}}
	named := true
	l.origins.File = src.File
	if l.origins.File == "" {
		l.origins.File = l.env[EnvFile]
	}
	if l.origins.File == "" {
		l.origins.File, named = DefaultFile(src.UID, src.Home, l.getenv), false
	}
	data, found, err := readFile(l.origins.File, named)
	l.origins.Found = found
	if err != nil || !found {
		return l, err
	}
	return l, l.parse(data)
}

// parse decodes the file and notes its keys that are none of ours.
func (l *loader) parse(data []byte) error {
	names, lines, err := keyLines(data)
	if err != nil {
		return syntaxFault(l.origins.File, data, err)
	}
	if err := toml.Unmarshal(data, &l.file); err != nil {
		return syntaxFault(l.origins.File, data, err)
	}
	l.data, l.lines = data, lines
	for _, name := range l.declare(names) {
		if !l.knows(name) {
			l.unknown = append(l.unknown, name)
		}
	}
	return nil
}

// knows reports whether name is a key, or with a dot at its end a table of some.
func (l *loader) knows(name string) bool {
	return strings.HasSuffix(name, ".") && strings.HasPrefix(policiesTable, name) || slices.ContainsFunc(l.keys, func(k Key) bool {
		return k.Name == name || strings.HasSuffix(name, ".") && strings.HasPrefix(k.Name, name)
	})
}

func (l *loader) getenv(name string) (string, bool) {
	v, ok := l.env[name]
	return v, ok
}

// environ indexes KEY=VALUE. An empty value counts as not set, as in the XDG rules.
func environ(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		if _, dup := m[k]; !dup && v != "" {
			m[k] = v
		}
	}
	return m
}

// collect layers the sources and checks each value by the rule of its key.
func (l *loader) collect() {
	def := Default(l.src.UID, l.src.Home, l.getenv, l.src.CPUs)
	for _, k := range l.keys {
		o := Origin{Key: k.Name, Source: FromDefault, Env: k.Env(), Allowed: k.Allowed(), About: k.About}
		value := l.find(k, &o)
		if k.Name == "socket" { // it follows state_dir, whose row comes later
			def.Socket = defaultSocket(l.src.UID, l.getenv, l.stateDir(def.StateDir))
		}
		if name, ok := policyOf(k.Name); ok {
			l.fillPolicy(&def, name)
		}
		o.Default = k.get(&def)
		if o.Source == FromDefault {
			value = given{o.Default, true}
		}
		o.Value = fmt.Sprint(value.raw)
		if k.rule.accepts(value) {
			l.accepted[k.Name] = value
		} else {
			l.refuse(k, o, value)
		}
		l.origins.Keys = append(l.origins.Keys, o)
	}
	for _, name := range l.unknown {
		l.refuseUnknown(name)
	}
}

// find returns the value of k from the strongest source that has one.
func (l *loader) find(k Key, o *Origin) given {
	if l.src.Flags != nil {
		if f := l.src.Flags.Lookup(k.Flag()); f != nil && f.Changed {
			o.Source, o.Where = FromFlag, "--"+f.Name
			return given{f.Value.String(), true}
		}
	}
	if v, ok := l.env[k.Env()]; ok {
		o.Source, o.Where = FromEnv, k.Env()
		return given{v, true}
	}
	if line, ok := l.lines[k.Name]; ok {
		o.Source, o.Where = FromFile, fmt.Sprintf("%s:%d", l.origins.File, line)
		return given{l.inFile(k.Name), false}
	}
	return given{}
}

// inFile is the value of a key, which may be in a table, or nil.
func (l *loader) inFile(name string) any {
	table := l.file
	for {
		section, rest, deeper := strings.Cut(name, ".")
		if !deeper {
			return table[name]
		}
		table, _ = table[section].(map[string]any) // a nil map has nothing
		name = rest
	}
}

// stateDir is the effective folder, for the socket that lives in it by default.
func (l *loader) stateDir(def string) string {
	for _, k := range l.keys {
		if k.Name != "state_dir" {
			continue
		}
		if s, ok := l.find(k, &Origin{}).text(); ok && k.rule.accepts(given{s, true}) {
			return s
		}
	}
	return def
}

// warn notes variables that look like ours and are not.
func (l *loader) warn() {
	for name := range l.env {
		if !strings.HasPrefix(name, EnvPrefix) || name == EnvFile || slices.Contains(l.src.OtherEnv, name) ||
			slices.ContainsFunc(l.keys, func(k Key) bool { return k.Env() == name }) {
			continue
		}
		l.origins.Warnings = append(l.origins.Warnings, fmt.Sprintf("the variable %.80s is not known and has no effect", name))
	}
	slices.Sort(l.origins.Warnings)
}
