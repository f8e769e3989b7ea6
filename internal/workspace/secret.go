package workspace

import "github.com/wsctl/wsctl/internal/fault"

// MaxSecret bounds the value of one secret, in bytes.
const MaxSecret = 64 << 10

// ValidateSecret checks the name of a secret, which becomes the name of a file, and the
// size of its value.
func ValidateSecret(name string, size int) error {
	if !isSecretName(name) {
		return fault.New(fault.Invalid, "secret_name_invalid", "%.80q is not the name of a secret", name).
			WithHint("use 1 to 64 letters, digits, and _ . - inside, such as NPM_TOKEN").WithField("/name", "secret_name_invalid", "")
	}
	if size > MaxSecret {
		return fault.New(fault.TooLarge, "secret_too_large", "the value has %d bytes, at most %d are kept", size, MaxSecret)
	}
	return nil
}

func isSecretName(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '.' && c != '-') {
			return false
		}
	}
	return true
}
