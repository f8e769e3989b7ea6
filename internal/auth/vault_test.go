package auth

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
)

func TestASealedValueOpensOnlyWithItsKeyAndName(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret_key")
	value := []byte("a value of some length")
	sealed, err := NewVault(file).Seal("uid:1 TOKEN", value)
	if err != nil || bytes.Contains(sealed, value[:4]) {
		t.Fatalf("%q, %v", sealed, err)
	}
	again, err := NewVault(file).Seal("uid:1 TOKEN", value)
	if err != nil || bytes.Equal(sealed, again) {
		t.Errorf("sealed twice it is the same, %v", err)
	}
	if got, err := NewVault(file).Open("uid:1 TOKEN", sealed); err != nil || !bytes.Equal(got, value) {
		t.Errorf("%q, %v", got, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for what, open := range map[string]func() ([]byte, error){
		"another name":  func() ([]byte, error) { return NewVault(file).Open("uid:2 TOKEN", sealed) },
		"another key":   func() ([]byte, error) { return NewVault(filepath.Join(dir, "other")).Open("uid:1 TOKEN", sealed) },
		"a flipped bit": func() ([]byte, error) { return NewVault(file).Open("uid:1 TOKEN", flipped) },
		"nothing":       func() ([]byte, error) { return NewVault(file).Open("uid:1 TOKEN", nil) },
	} {
		if got, err := open(); !fault.HasCode(err, "secret_unreadable") {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
}
