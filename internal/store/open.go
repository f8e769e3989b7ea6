package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// Open opens the state file at path, or makes it (0600) if there is nothing of
// that name. The caller holds Lock on its directory.
//
// A file that is empty, cut off or not ours is "store_damaged", one of a newer
// schema "schema_newer", one that another process has open "store_busy"; none of
// them is touched. A file of an older schema is copied to PATH.schema-N and
// migrated. Open does not look for damage inside; see Verify.
func Open(path string) (*Store, error) { return open(path, bbolt.Options{}) }

func open(path string, o bbolt.Options) (*Store, error) {
	path, fresh, err := locate(path)
	if err != nil {
		return nil, err
	}
	if fresh {
		if err := create(path, currentSchema()); err != nil {
			return nil, err
		}
	}
	schema, err := inspect(path)
	if err != nil {
		return nil, err
	}
	if schema > currentSchema() {
		return nil, schemaNewer(path, schema)
	}
	o.InitialMmapSize = mapSize
	s, err := openWritable(path, o)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(schema); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// locate follows a link, so that later renames replace the file and not the link,
// and tells whether there is a file. A link to nothing is not an invitation.
func locate(path string) (real string, fresh bool, err error) {
	switch _, err := os.Lstat(path); {
	case errors.Is(err, os.ErrNotExist):
		return path, true, makeDir(filepath.Dir(path))
	case err != nil:
		return "", false, openFault(path, err)
	}
	real, err = filepath.EvalSymlinks(path)
	if err != nil {
		return "", false, storeDamaged(path, err)
	}
	return real, false, nil
}

func schemaNewer(path string, schema int) error {
	return fault.New(fault.Unsupported, "schema_newer", "the state file %s was written by a newer wsd (schema %d; this one knows %d); it was not changed",
		path, schema, currentSchema()).WithHint("install the newer version again, or restore a backup made by this one")
}

// create makes a file of the given schema beside path and renames it, so that a
// crash leaves no file or a whole one.
func create(path string, schema int) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot remove an unfinished state file: %w", err)
	}
	f, err := createPrivate(temp)
	if err != nil {
		return err
	}
	_ = f.Close()
	err = build(temp, schema)
	if err == nil {
		err = install(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// build fills an empty file.
func build(path string, schema int) error {
	db, file, err := openBolt(path, bbolt.Options{})
	if err != nil {
		return openFault(path, err)
	}
	s := &Store{path: path, db: db, file: file, damaged: map[string]bool{}, cache: newCache()}
	err = s.Update(func(t *Tx) error {
		if err := createSchema1(t); err != nil {
			return err
		}
		return t.migrate(firstSchema, schema)
	})
	return errors.Join(err, s.Close())
}

// createPrivate makes a file that only its owner can read, whatever the umask.
func createPrivate(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fileFault(err, "make %s", path)
	}
	if err := f.Chmod(0o600); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot protect %s: %w", path, err)
	}
	return f, nil
}

// install syncs temp, renames it to path and syncs the directory.
func install(temp, path string) error {
	if err := syncPath(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return fileFault(err, "put %s in its place", path)
	}
	return syncPath(filepath.Dir(path))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot open %s to sync it: %w", path, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("cannot sync %s: %w", path, err)
	}
	return nil
}

// inspect reads the schema without any chance to write.
func inspect(path string) (schema int, err error) {
	err = viewFile(path, func(t *Tx) error {
		schema, err = schemaOf(t.bolt, t.store)
		return err
	})
	return schema, err
}

// viewFile runs fn on a file that is opened for reading only.
func viewFile(path string, fn func(*Tx) error) error {
	if err := checkHeader(path); err != nil {
		return err
	}
	db, file, err := openBolt(path, bbolt.Options{ReadOnly: true, PreLoadFreelist: true})
	if err != nil {
		return openFault(path, err)
	}
	s := &Store{path: path, db: db, file: file, damaged: map[string]bool{}, cache: newCache()}
	err = s.View(fn)
	return errors.Join(err, db.Close())
}

func openWritable(path string, o bbolt.Options) (*Store, error) {
	db, file, err := openBolt(path, o)
	if err != nil {
		return nil, openFault(path, err)
	}
	db.AllocSize = growSize
	s := &Store{path: path, db: db, file: file, damaged: map[string]bool{}, cache: newCache()}
	if err := file.Chmod(0o600); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("cannot protect %s: %w", path, err)
	}
	return s, nil
}

// prepare migrates and sees that every bucket is there.
func (s *Store) prepare(schema int) error {
	if schema < currentSchema() {
		if err := s.saveSchema(schema); err != nil {
			return err
		}
		if err := s.Update(func(t *Tx) error { return t.migrate(schema, currentSchema()) }); err != nil {
			return err
		}
	}
	return s.View(func(t *Tx) error {
		for _, name := range buckets {
			if t.bucket(name) == nil {
				return storeDamaged(s.path, fmt.Errorf("%w: %s", errNoBucket, name))
			}
		}
		id, _, err := load[string](t, bMeta, []byte(metaInstance))
		if err != nil || !workspace.ValidID("i", id) {
			return storeDamaged(s.path, errors.Join(errors.New("the instance cannot be read"), err))
		}
		s.instance = id
		first, _ := t.bucket(bWorkspace).Cursor().First()
		s.fresh = first == nil && t.LastSeq() == 0
		return nil
	})
}

// saveSchema keeps a copy of the file as it is before a migration.
func (s *Store) saveSchema(schema int) error {
	saved := fmt.Sprintf("%s.schema-%d", s.path, schema)
	temp := saved + ".new"
	_ = os.Remove(temp) // of an earlier try
	return writeFile(temp, saved, s.Backup)
}

// writeFile fills temp, then installs it as path.
func writeFile(temp, path string, fill func(io.Writer) error) error {
	f, err := createPrivate(temp)
	if err != nil {
		return err
	}
	err = errors.Join(fill(f), f.Close())
	if err == nil {
		err = install(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return fileFault(err, "write %s", path)
	}
	return nil
}
