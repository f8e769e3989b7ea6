package auth

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/wsctl/wsctl/internal/durable"
)

// HostKeys derives the ssh host key of each workspace from one seed, so that a workspace
// keeps its key for as long as its id, and nothing has to be stored for it. Its methods
// are safe for concurrent use.
type HostKeys struct {
	file string

	mu   sync.Mutex
	seed []byte
}

// seedSize is the size of the seed in bytes: as long as an ed25519 private key (RFC 8032).
const seedSize = 32

// NewHostKeys returns keys from the seed in file, which is made when it is first needed.
func NewHostKeys(file string) *HostKeys { return &HostKeys{file: file} }

// Private returns the private key of a workspace as PEM in OpenSSH's own format.
func (h *HostKeys) Private(workspaceID string) ([]byte, error) {
	key, err := h.key(workspaceID)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, workspaceID)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// Public returns the public key of a workspace as TYPE BASE64, as known_hosts has it.
func (h *HostKeys) Public(workspaceID string) (string, error) {
	key, err := h.key(workspaceID)
	if err != nil {
		return "", err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))), nil
}

func (h *HostKeys) key(workspaceID string) (ed25519.PrivateKey, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seed == nil {
		seed, err := readSeed(h.file)
		if err != nil {
			return nil, fmt.Errorf("cannot read the seed of the ssh host keys: %w", err)
		}
		h.seed = seed
	}
	b, err := hkdf.Key(sha256.New, h.seed, nil, "wsd ssh host key "+workspaceID, ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(b), nil
}

// readSeed reads the seed, or makes it: whole or not at all.
func readSeed(file string) ([]byte, error) {
	seed, err := os.ReadFile(file)
	switch {
	case err == nil && len(seed) == seedSize:
		return seed, nil
	case err == nil:
		return nil, fmt.Errorf("%s has %d bytes in place of %d; remove it to make a new one, and clients will be told of changed keys", file, len(seed), seedSize)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	seed = make([]byte, seedSize)
	if _, err := rand.Read(seed); err != nil {
		return nil, err
	}
	return seed, durable.WriteFile(file, seed) // what is encrypted with it may be on the disk in the next moment
}
