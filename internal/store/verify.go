package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"
)

// maxProblems bounds Report.Problems; one line more tells how many are left out.
const maxProblems = 200

// Report is what Verify found. A file is sound if Problems is empty.
type Report struct {
	Schema     int      `json:"schema"`
	Workspaces int      `json:"workspaces"`
	Jobs       int      `json:"jobs"` // open and ended
	Events     int      `json:"events"`
	Problems   []string `json:"problems"`

	left int // problems that found no place
}

func (r *Report) add(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
		return
	}
	r.left++
}

func (r *Report) end() Report {
	if r.left > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("and %d more", r.left))
	}
	return *r
}

// Verify reads the whole file without changing it: the pages, the checksum of
// every row, every index against its rows in both directions, the chain of facts
// and the rules that jobs keep. A file of an older schema is checked, then a
// migrated copy of it in the temporary directory.
//
// An error means that the file cannot be read as a store at all: codes as Open,
// "store_busy" while a daemon has it open. Some damage kills the process that
// reads it, so call it in a process made for it and take its death for an answer.
func Verify(path string) (Report, error) {
	r := Report{Problems: []string{}}
	schema, err := inspect(path)
	if err != nil {
		return r, err
	}
	r.Schema = schema
	switch {
	case schema > currentSchema():
		return r, schemaNewer(path, schema)
	case schema < currentSchema():
		err = verifyOld(path, &r)
	default:
		err = viewFile(path, func(t *Tx) error { return verifyTx(t, &r, true) })
	}
	return r.end(), err
}

func verifyTx(t *Tx, r *Report, indexes bool) error {
	c := &checker{tx: t, report: r, damaged: map[string]bool{}}
	missing := c.rows()
	if indexes && len(missing) > 0 {
		r.add("buckets are missing: %s", strings.Join(missing, ", "))
		return nil
	}
	if indexes {
		c.indexes()
		c.deadlines()
		c.events()
		c.jobs()
	}
	// Last, because this part of bbolt runs in a goroutine of its own where a page
	// that is not there kills the process: the walk above has been everywhere.
	for err := range t.bolt.Check() {
		r.add("pages: %v", err)
	}
	return nil
}

// verifyOld checks what does not depend on the schema, then a migrated copy.
func verifyOld(path string, r *Report) error {
	dir, err := os.MkdirTemp("", "wsd-verify-")
	if err != nil {
		return fileFault(err, "make a directory for a copy")
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "state.db")
	err = viewFile(path, func(t *Tx) error {
		if err := verifyTx(t, r, false); err != nil || len(r.Problems) > 0 {
			return err
		}
		return writeFile(copied+".new", copied, t.copyTo)
	})
	if err != nil || len(r.Problems) > 0 {
		return err
	}
	s, err := open(copied, bbolt.Options{NoSync: true})
	if err != nil {
		return err
	}
	migrated := Report{Schema: currentSchema()}
	err = errors.Join(s.View(func(t *Tx) error { return verifyTx(t, &migrated, true) }), s.Close())
	for _, p := range migrated.end().Problems {
		r.add("after a migration: %s", p)
	}
	return err
}
