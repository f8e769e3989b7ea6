package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestHostKeysStayAndDiffer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seed")
	one, err := NewHostKeys(file).Public("w1")
	if err != nil || !strings.HasPrefix(one, "ssh-ed25519 ") || strings.Count(one, " ") != 1 {
		t.Fatalf("%q, %v", one, err)
	}
	again := NewHostKeys(file)
	if same, err := again.Public("w1"); err != nil || same != one {
		t.Errorf("the key changed: %q, %v", same, err)
	}
	if other, err := again.Public("w2"); err != nil || other == one {
		t.Errorf("two workspaces have one key: %v", err)
	}
	pem, err := again.Private("w1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if err != nil || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))) != one {
		t.Errorf("the private key is not that of the public one: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the seed is not private: %v, %v", info.Mode(), err)
	}
}

func TestADamagedSeedIsNotUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "seed")
	if err := os.WriteFile(file, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewHostKeys(file).Public("w1"); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("got %v", err)
	}
}
