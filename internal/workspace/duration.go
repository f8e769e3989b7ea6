package workspace

import (
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// Duration is a time.Duration that reads and writes as "1m30s". A bare number is
// refused: its unit would be a guess.
type Duration time.Duration

// Std returns d as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String formats d as time.Duration does.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || string(b) == "0" {
		return fault.New(fault.Invalid, "duration_invalid", "%.40q is not a duration", b).
			WithHint("write it with a unit, such as 90s, 10m or 2h")
	}
	*d = Duration(v)
	return nil
}
