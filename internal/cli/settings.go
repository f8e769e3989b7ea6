package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wsctl/wsctl/internal/config"
)

// Settings is where wsd is and what it is started with.
type Settings struct {
	Socket   string
	StateDir string
	Config   string // absolute path of the file that was read; "": there is none
	Binary   string // absolute path; "": found beside wsctl, else in PATH
}

// LogFile is where the output of a wsd goes that wsctl starts.
func (s Settings) LogFile() string { return filepath.Join(s.StateDir, "wsd.log") }

// noSocket reports that no wsd can answer, for commands that start none: looking
// costs a hundredth of setting up a client.
func (s Settings) noSocket() bool {
	_, err := os.Stat(s.Socket)
	return errors.Is(err, fs.ErrNotExist)
}

// Settings returns where wsd is: flag, else environment, else file, else default.
func (f *Factory) Settings() (Settings, error) {
	if f.settings != nil {
		return *f.settings, nil
	}
	found, err := f.Config()
	if err != nil {
		return Settings{}, err
	}
	s := Settings{Socket: found.Text("socket"), StateDir: found.Text("state_dir"), Binary: f.Streams.Env("WSCTL_WSD")}
	if found.Origins.Found {
		s.Config = found.Origins.File
	}
	for _, path := range []*string{&s.Config, &s.Binary} { // wsd is started in another folder
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return Settings{}, err
		}
	}
	f.settings = &s
	return s, nil
}

// Config returns every setting and where each comes from.
func (f *Factory) Config() (config.Settings, error) {
	return config.Read(config.ProcessSources(f.ConfigFile, f.flags))
}
