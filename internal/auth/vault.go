package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/wsctl/wsctl/internal/fault"
)

// Vault encrypts values that are kept on disk, with a key beside the store: whoever gets
// the store or a backup of it alone gets no value. Its methods are safe for concurrent
// use.
type Vault struct {
	file string

	mu   sync.Mutex
	aead cipher.AEAD
}

// NewVault returns a vault with the key in file, which is made when it is first needed.
func NewVault(file string) *Vault { return &Vault{file: file} }

// Seal encrypts value with AES-256-GCM and a nonce of its own, which comes first. what
// names the value; it opens under no other name.
func (v *Vault) Seal(what string, value []byte) ([]byte, error) {
	aead, err := v.key()
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(nonce, nonce, value, []byte(what)), nil
}

// Open is the reverse of Seal.
func (v *Vault) Open(what string, sealed []byte) ([]byte, error) {
	aead, err := v.key()
	if err != nil {
		return nil, err
	}
	n := aead.NonceSize()
	if len(sealed) >= n {
		value, err := aead.Open(nil, sealed[:n], sealed[n:], []byte(what))
		if err == nil {
			return value, nil
		}
	}
	return nil, fault.New(fault.Conflict, "secret_unreadable", "a secret cannot be decrypted with the key that is here").
		WithHint("put back the file secret_key that belongs to this store, or set the secret again")
}

func (v *Vault) key() (cipher.AEAD, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.aead != nil {
		return v.aead, nil
	}
	seed, err := readSeed(v.file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key of the secrets: %w", err)
	}
	key, err := hkdf.Key(sha256.New, seed, nil, "wsd secrets", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	v.aead, err = cipher.NewGCM(block)
	return v.aead, err
}
