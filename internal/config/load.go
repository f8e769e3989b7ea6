package config

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/wsctl/wsctl/internal/fault"
)

// Sources is where Load looks. The zero value has nothing: no file, no
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

// AddFlags defines on fs the flag of every named key, so that Load finds it
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

// Load reads every source, validates once and returns the outcome with the
// origin of each value. The error is a fault.Error of kind Invalid that names
// every wrong value, its source and what is allowed; Config is then the zero
// value and Origins tells only the sources.
func Load(src Sources) (Config, Origins, error) {
	l, err := newLoader(src)
	if err != nil {
		return Config{}, l.origins, err
	}
	l.collect()
	l.crossCheck()
	l.warn()
	cfg, err := l.decode()
	if err != nil {
		return Config{}, l.origins, err
	}
	for i, k := range l.keys {
		l.origins.Keys[i].Value = k.get(&cfg)
	}
	return cfg, l.origins, nil
}

// loader is one run of Load.
type loader struct {
	src      Sources
	env      map[string]string
	keys     []Key
	file     *viper.Viper   // the file alone
	all      *viper.Viper   // every layer
	lines    map[string]int // of the keys in the file
	unknown  []string       // keys of the file that are none of ours
	accepted map[string]given
	origins  Origins
	problems []fault.Field
}

func newLoader(src Sources) (*loader, error) {
	if src.CPUs <= 0 {
		src.CPUs = runtime.NumCPU()
	}
	l := &loader{src: src, env: environ(src.Env), keys: Keys(src.CPUs),
		file: newViper(), all: newViper(), accepted: map[string]given{}}
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

func newViper() *viper.Viper {
	v := viper.NewWithOptions()
	v.SetConfigType("toml")
	return v
}

// parse puts the file into both vipers and notes its keys that are none of ours.
func (l *loader) parse(data []byte) error {
	names, lines, err := keyLines(data)
	if err != nil {
		return syntaxFault(l.origins.File, data, err)
	}
	for _, v := range []*viper.Viper{l.file, l.all} {
		if err := v.ReadConfig(bytes.NewReader(data)); err != nil {
			return syntaxFault(l.origins.File, data, err)
		}
	}
	l.lines = lines
	for _, name := range names {
		if !slices.ContainsFunc(l.keys, func(k Key) bool { return k.Name == name }) {
			l.unknown = append(l.unknown, name)
		}
	}
	return nil
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
		o.Default = k.get(&def)
		if o.Source == FromDefault {
			value = given{o.Default, true}
		}
		l.all.SetDefault(k.Name, o.Default)
		o.Value = fmt.Sprint(value.raw)
		if k.rule.accepts(value) {
			l.accepted[k.Name] = value
		} else {
			l.refuse(k, o)
		}
		l.origins.Keys = append(l.origins.Keys, o)
	}
	for _, name := range l.unknown {
		l.refuseUnknown(name)
	}
}

// find returns the value of k from the strongest source that has one, and binds
// it over the file where it is not from there.
func (l *loader) find(k Key, o *Origin) given {
	if l.src.Flags != nil {
		if f := l.src.Flags.Lookup(k.Flag()); f != nil && f.Changed {
			o.Source, o.Where = FromFlag, "--"+f.Name
			return l.override(k, f.Value.String())
		}
	}
	if v, ok := l.env[k.Env()]; ok {
		o.Source, o.Where = FromEnv, k.Env()
		return l.override(k, v)
	}
	if line, ok := l.lines[k.Name]; ok {
		o.Source, o.Where = FromFile, fmt.Sprintf("%s:%d", l.origins.File, line)
		return given{l.file.Get(k.Name), false}
	}
	return given{}
}

// override binds text over the file; it cannot fail for a value that is not nil.
func (l *loader) override(k Key, text string) given {
	_ = l.all.BindFlagValue(k.Name, bound{k.Flag(), text})
	return given{text, true}
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

// bound is a value from the environment or a flag as viper's strongest layer;
// viper's own BindEnv could only read the environment of this process.
type bound struct{ name, text string }

func (b bound) HasChanged() bool    { return true }
func (b bound) Name() string        { return b.name }
func (b bound) ValueString() string { return b.text }
func (b bound) ValueType() string   { return "string" }

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

// decode fills the struct; a struct half filled by an error is thrown away.
func (l *loader) decode() (Config, error) {
	if err := l.fault(); err != nil {
		return Config{}, err
	}
	var cfg Config
	err := l.all.UnmarshalExact(&cfg, viper.DecodeHook(mapstructure.TextUnmarshallerHookFunc()))
	if err != nil {
		return Config{}, fault.New(fault.Invalid, "config_invalid", "cannot use the configuration: %v", err).WithCause(err)
	}
	return cfg, nil
}
