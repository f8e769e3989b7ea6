package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wsctl/wsctl/internal/config"
)

// settings is where wsd is and what it is started with.
type settings struct {
	Socket   string
	StateDir string
	Binary   string // "": found beside wsctl, else in PATH
}

// LogFile is where the output of a wsd goes that wsctl starts.
func (s settings) LogFile() string { return filepath.Join(s.StateDir, "wsd.log") }

// noSocket reports that no wsd can answer, for commands that start none: looking
// costs a hundredth of setting up a client.
func (s settings) noSocket() bool {
	_, err := os.Stat(s.Socket)
	return errors.Is(err, fs.ErrNotExist)
}

// Settings returns where wsd is: flag, else environment, else file, else default.
func (f *Factory) Settings() (settings, error) {
	if f.settings != nil {
		return *f.settings, nil
	}
	found, err := f.Config()
	if err != nil {
		return settings{}, err
	}
	s := settings{Socket: found.Text("socket"), StateDir: found.Text("state_dir"), Binary: f.Streams.Env("WSCTL_WSD")}
	f.settings = &s
	return s, nil
}

// Config returns every setting and where each comes from.
func (f *Factory) Config() (config.Settings, error) {
	return config.Read(config.ProcessSources(f.ConfigFile, f.flags))
}
