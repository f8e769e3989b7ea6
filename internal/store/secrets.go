package store

import "time"

// Secret is the row of one secret. Sealed is encrypted by whoever writes the row: the
// store and its backups never hold a value.
type Secret struct {
	Owner     string    `json:"owner"`
	Name      string    `json:"name"`
	Size      int       `json:"size"` // of the value, in bytes
	ChangedAt time.Time `json:"changed_at"`
	Sealed    []byte    `json:"sealed"`
}

func secretKey(owner, name string) []byte { return []byte(owner + "\x00" + name) }

// PutSecret writes s in place of what was there.
func (t *Tx) PutSecret(s Secret) error {
	if err := checkTexts("owner", s.Owner, "name of a secret", s.Name); err != nil {
		return err
	}
	return t.put(bSecret, secretKey(s.Owner, s.Name), s)
}

// Secret returns one secret, and whether it is there.
func (t *Tx) Secret(owner, name string) (Secret, bool, error) {
	return load[Secret](t, bSecret, secretKey(owner, name))
}

// Secrets returns those of owner in order of name. A damaged row is left out, and noted.
func (t *Tx) Secrets(owner string) ([]Secret, error) {
	var out []Secret
	for _, key := range t.keys(bSecret, secretKey(owner, "")) {
		s, ok, err := load[Secret](t, bSecret, key)
		switch {
		case isDamagedRecord(err):
		case err != nil:
			return nil, err
		case ok:
			out = append(out, s)
		}
	}
	return out, nil
}

// DropSecret forgets a secret. That there is none is not an error.
func (t *Tx) DropSecret(owner, name string) error { return t.drop(bSecret, secretKey(owner, name)) }
