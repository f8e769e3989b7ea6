// Package layered fills config.Config for the daemon: viper lays default, file,
// environment and flags over each other and decodes the outcome.
//
// Which values there are, and whether they are allowed, is said by config.Read
// before; this package neither reads files nor judges values. It is apart from
// config so that wsctl need not link what only the daemon uses.
package layered

import (
	"bytes"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"github.com/wsctl/wsctl/internal/config"
	"github.com/wsctl/wsctl/internal/fault"
)

// Load returns all settings with the origin of each. Errors are those of
// config.Read; Config is then the zero value.
func Load(src config.Sources) (config.Config, config.Origins, error) {
	s, err := config.Read(src)
	if err != nil {
		return config.Config{}, s.Origins, err
	}
	v := viper.NewWithOptions()
	v.SetConfigType("toml")
	if err := v.ReadConfig(bytes.NewReader(s.File)); err != nil {
		return config.Config{}, s.Origins, unusable(err)
	}
	for _, o := range s.Origins.Keys {
		v.SetDefault(o.Key, o.Default)
		if o.Source == config.FromEnv || o.Source == config.FromFlag {
			if err := v.BindFlagValue(o.Key, bound{o.Key, o.Value}); err != nil {
				return config.Config{}, s.Origins, unusable(err)
			}
		}
	}
	var cfg config.Config
	// A struct half filled by an error is thrown away.
	if err := v.UnmarshalExact(&cfg, viper.DecodeHook(mapstructure.TextUnmarshallerHookFunc())); err != nil {
		return config.Config{}, s.Origins, unusable(err)
	}
	return cfg, s.Origins, nil
}

func unusable(err error) error {
	return fault.New(fault.Invalid, "config_invalid", "cannot use the configuration: %v", err).WithCause(err)
}

// bound is a value from the environment or a flag as viper's strongest layer;
// viper's own BindEnv could only read the environment of this process.
type bound struct{ name, text string }

func (b bound) HasChanged() bool    { return true }
func (b bound) Name() string        { return b.name }
func (b bound) ValueString() string { return b.text }
func (b bound) ValueType() string   { return "string" }
