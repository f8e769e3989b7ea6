package workspace

import (
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/wsctl/wsctl/internal/fault"
)

// ParseSize reads a number of bytes with a unit, upper or lower case:
//
//	512MiB 2GiB 1.5TiB   powers of 1024
//	512Mi 2Gi 512M 2G    the same (as engines and service managers read them)
//	512MB 2GB            powers of 1000
//	65536B               bytes
//
// A bare number is refused: its unit would be a guess. So are signs, exponents
// and more than 2^53 bytes. The result is >= 0.
func ParseSize(s string) (int64, error) {
	number, unit := splitSize(s)
	if number == "" || unit == "" {
		return 0, sizeFault(s)
	}
	read := units.RAMInBytes // powers of 1024
	if len(unit) == 2 && strings.EqualFold(unit[1:], "b") {
		read = units.FromHumanSize
	} else if strings.EqualFold(unit[1:], "i") {
		unit += "B" // the library knows Gi only as GiB
	}
	n, err := read(number + unit)
	if err != nil || n < 0 || n > maxExact {
		return 0, sizeFault(s)
	}
	return n, nil
}

// maxExact is the largest count that survives the way through a float64.
const maxExact = 1 << 53

// sizeUnits are the units as ParseSize reads them, lower case.
const sizeUnits = " b k kb ki kib m mb mi mib g gb gi gib t tb ti tib "

// splitSize cuts "1.5 GiB" into "1.5" and "GiB"; a part is empty where s has another form.
func splitSize(s string) (number, unit string) {
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end <= 0 || len(s) > 32 {
		return "", ""
	}
	number, unit = s[:end], strings.TrimPrefix(s[end:], " ")
	whole, part, dot := strings.Cut(number, ".")
	if whole == "" || dot && (part == "" || strings.Contains(part, ".")) {
		return "", ""
	}
	if strings.Contains(unit, " ") || !strings.Contains(sizeUnits, " "+strings.ToLower(unit)+" ") {
		return "", ""
	}
	return number, unit
}

func sizeFault(s string) error {
	return fault.New(fault.Invalid, "size_invalid", "%.40q is not a size", s).
		WithHint("write a number with a unit: 512MiB and 2GiB count in 1024s, 512MB and 2GB in 1000s")
}

// FormatSize writes n bytes as people read them, everywhere: binary units with at most one
// decimal, "1.5 GiB".
func FormatSize(n int64) string {
	const unit = 1024
	if n < unit && n > -unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	v, i := float64(n), 0
	for ; (v >= unit || v <= -unit) && i < 6; i++ {
		v /= unit
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + "KMGTPE"[i-1:i] + "iB"
}
