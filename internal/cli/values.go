package cli

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/render"
	"github.com/wsctl/wsctl/internal/workspace"
)

// maxWait bounds what may be waited for.
const maxWait = 30 * 24 * time.Hour

// sizeValue is a flag for a size; unset it is nil.
type sizeValue struct {
	bytes **int64
	text  string
}

func (v *sizeValue) String() string { return v.text }
func (v *sizeValue) Type() string   { return "SIZE" }

func (v *sizeValue) Set(s string) error {
	n, err := workspace.ParseSize(s)
	if err != nil || n < workspace.MinMemory || n > workspace.MaxMemory {
		return fault.New(fault.Usage, "memory_invalid", "%.40q is not an amount of memory that is allowed", s).
			WithHint("give 16MiB to 4TiB with the unit: 512MiB and 2GiB count in 1024s, 512MB and 2GB in 1000s")
	}
	*v.bytes, v.text = &n, s
	return nil
}

// coresValue is a flag for a number of CPUs; unset it is nil.
type coresValue struct{ cores **float64 }

func (v *coresValue) String() string {
	if v.cores == nil || *v.cores == nil {
		return ""
	}
	return strconv.FormatFloat(**v.cores, 'f', -1, 64)
}
func (v *coresValue) Type() string { return "NUMBER" }

func (v *coresValue) Set(s string) error {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= workspace.MinCPUs && n <= workspace.MaxCPUs) {
		return fault.New(fault.Usage, "cpus_invalid", "%.40q is not a valid number of CPUs", s).
			WithHint("give %v to %d, such as 0.5 or 2", workspace.MinCPUs, workspace.MaxCPUs)
	}
	*v.cores = &n
	return nil
}

// pidsValue is a flag for a number of processes; unset it is nil.
type pidsValue struct{ pids **int64 }

func (v *pidsValue) String() string {
	if v.pids == nil || *v.pids == nil {
		return ""
	}
	return strconv.FormatInt(**v.pids, 10)
}
func (v *pidsValue) Type() string { return "NUMBER" }

func (v *pidsValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < workspace.MinPids || n > workspace.MaxPids {
		return fault.New(fault.Usage, "pids_invalid", "%.40q is not a valid number of processes", s).
			WithHint("give %d to %d, such as 256", workspace.MinPids, workspace.MaxPids)
	}
	*v.pids = &n
	return nil
}

// durationValue is a flag for a time span above zero, with a unit.
type durationValue time.Duration

func (v *durationValue) String() string {
	if *v == 0 {
		return ""
	}
	s := time.Duration(*v).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
func (v *durationValue) Type() string { return "DURATION" }

func (v *durationValue) Set(s string) error {
	var d workspace.Duration
	if err := d.UnmarshalText([]byte(s)); err != nil {
		return err
	}
	if d.Std() <= 0 || d.Std() > maxWait {
		return fault.New(fault.Usage, "duration_invalid", "%.40q is out of range", s).
			WithHint("give more than 0s and at most 720h, such as 90s, 10m or 2h")
	}
	*v = durationValue(d)
	return nil
}

// spanText is a time span that somebody has chosen, in the words of the rest of the output.
func spanText(d time.Duration) string {
	if d < time.Second {
		return render.Elapsed(d)
	}
	return render.Left(d)
}

// unique returns the words without those that came before.
func unique(words []string) []string {
	var once []string
	for _, w := range words {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return once
}

// parsePairs reads KEY=VALUE words. The value may hold further equals signs; a key
// given twice is refused, because which one was meant is a guess.
func parsePairs(flag, example string, words []string) (map[string]string, error) {
	if len(words) == 0 {
		return nil, nil
	}
	m := make(map[string]string, len(words))
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok || k == "" {
			return nil, fault.New(fault.Usage, "pair_invalid", "--%s: %.60q is not KEY=VALUE", flag, w).
				WithHint("write it as --%s %s", flag, example)
		}
		if _, twice := m[k]; twice {
			return nil, fault.New(fault.Usage, "pair_twice", "--%s: %.60q is given twice", flag, k).
				WithHint("give each key once")
		}
		m[k] = v
	}
	return m, nil
}

// parseEnv reads variables for the inside of a workspace.
func parseEnv(words []string) (map[string]string, error) {
	m, err := parsePairs("env", "NODE_ENV=test", words)
	if err != nil {
		return nil, err
	}
	return m, workspace.ValidateEnv(m)
}

// parseLabels reads labels.
func parseLabels(words []string) (map[string]string, error) {
	m, err := parsePairs("label", "team=web", words)
	if err != nil {
		return nil, err
	}
	return m, workspace.ValidateLabels(m)
}

// parseSelectors reads conditions on labels; all of them must hold.
func parseSelectors(words []string) ([]workspace.Selector, error) {
	var all []workspace.Selector
	for _, w := range words {
		for part := range strings.SplitSeq(w, ",") {
			s, err := workspace.ParseSelector(part)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	return all, nil
}

// parseStates reads names of states, also several with commas between.
func parseStates(words []string) ([]workspace.State, error) {
	var all []workspace.State
	for _, w := range words {
		for part := range strings.SplitSeq(w, ",") {
			var s workspace.State
			if err := s.UnmarshalText([]byte(part)); err != nil {
				return nil, fault.New(fault.Usage, "state_unknown", "%.40q is not a state", part).
					WithHint("states: %s", stateWords())
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func stateWords() string {
	var words []string
	for _, s := range workspace.States() {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}
