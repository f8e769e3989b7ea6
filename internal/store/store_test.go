package store

import (
	"path/filepath"
	"testing"
)

func TestSmoke(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a", "state.db")
	s, err := Open(p)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Fresh() || s.Instance() == "" {
		t.Fatal(s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(p)
	t.Log(r, err)
}
