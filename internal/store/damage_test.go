package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// closedStore makes a file with n workspaces and what belongs to them.
func closedStore(t testing.TB, n int) string {
	t.Helper()
	s := newStore(t)
	fill(t, s, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s.path
}

// backupOf is such a file without the space that it has grown by in advance.
func backupOf(t testing.TB, n int) []byte {
	t.Helper()
	s := newStore(t)
	fill(t, s, n)
	var b bytes.Buffer
	if err := errors.Join(s.Backup(&b), s.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeTemp(t testing.TB, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileThatIsNoStoreIsRefusedAndNotTouched(t *testing.T) {
	whole := backupOf(t, 30)
	zeroed := func(from, to int) []byte {
		b := bytes.Clone(whole)
		clear(b[from:to])
		return b
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(b *bbolt.Tx) error {
		_, err := b.CreateBucket([]byte("meta"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for name, content := range map[string][]byte{
		"empty":                   {},
		"one byte":                {0},
		"text":                    []byte("this is not a database\n"),
		"much text":               bytes.Repeat([]byte("this is not a database\n"), 4000),
		"zeros":                   make([]byte, len(whole)),
		"one meta page":           whole[:page],
		"both meta pages only":    whole[:2*page],
		"half":                    whole[:len(whole)/2],
		"both meta pages zeroed":  zeroed(0, 2*page),
		"all but the head zeroed": zeroed(2*page, len(whole)),
		"a database of others":    readFile(t, foreign),
	} {
		t.Run(name, func(t *testing.T) {
			path := writeTemp(t, content)
			_, err := Open(path)
			f := wantCode(t, err, fault.Internal, "store_damaged")
			if !strings.Contains(f.Text, path) || !strings.Contains(f.Hint, "restore") {
				t.Errorf("text %q, hint %q", f.Text, f.Hint)
			}
			if !bytes.Equal(readFile(t, path), content) {
				t.Error("the file was changed")
			}
			if names := entries(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("the directory holds %q", names)
			}
			if _, err := Verify(path); !fault.HasCode(err, "store_damaged") {
				t.Errorf("Verify: %v", err)
			}
		})
	}
}

func TestOneTornMetaPageIsWhatACrashLeavesAndIsFine(t *testing.T) {
	whole := backupOf(t, 30)
	page := os.Getpagesize()
	for meta := range 2 {
		torn := bytes.Clone(whole)
		clear(torn[meta*page+40 : meta*page+80])
		s, err := Open(writeTemp(t, torn))
		if err != nil {
			t.Errorf("meta page %d torn: %v", meta, err)
			continue
		}
		_ = s.Close()
	}
}

func TestThingsThatAreNotFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "dangling")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "dangling"), "/dev/null"} {
		_, err := Open(path)
		wantCode(t, err, fault.Internal, "store_damaged")
	}
	_, err := Verify(filepath.Join(dir, "missing"))
	wantCode(t, err, fault.NotFound, "store_missing")
	_, err = os.Stat(filepath.Join(dir, "missing"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Error("Verify made a file")
	}
}

func TestALinkToAStoreIsFollowed(t *testing.T) {
	path := closedStore(t, 3)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, link)
	if s.Fresh() || s.path != path {
		t.Errorf("opened %s, fresh %v", s.path, s.Fresh())
	}
}

func TestANewerSchemaIsRefusedAndNotTouched(t *testing.T) {
	s := newStore(t)
	mustUpdate(t, s, func(tx *Tx) error { return tx.put(bMeta, []byte(metaSchema), currentSchema()+1) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, s.path)
	_, err := Open(s.path)
	wantCode(t, err, fault.Unsupported, "schema_newer")
	_, err = Verify(s.path)
	wantCode(t, err, fault.Unsupported, "schema_newer")
	if !bytes.Equal(before, readFile(t, s.path)) || len(entries(t, filepath.Dir(s.path))) != 1 {
		t.Error("the file was changed")
	}
}

func TestAFlippedBitCostsOneRecord(t *testing.T) {
	s := newStore(t)
	fill(t, s, 9)
	bad := sample(4)
	raw(t, s, func(b *bbolt.Tx) error { return flip(b, bWorkspace, []byte(bad.ID), 100) })
	mustView(t, s, func(tx *Tx) error {
		for _, ref := range []string{bad.ID, bad.Name} {
			_, err := tx.Resolve(ref)
			f := wantCode(t, err, fault.Internal, "record_damaged")
			if !strings.Contains(f.Text, "workspace/"+bad.ID) {
				t.Errorf("text is %q", f.Text)
			}
		}
		_, err := tx.Workspace(sample(5).ID)
		good, damaged := 0, 0
		for w, err := range tx.Workspaces() {
			switch {
			case err == nil:
				good++
			case isDamagedRecord(err) && w.ID == "":
				damaged++
			}
		}
		if good != 8 || damaged != 1 {
			t.Errorf("%d good, %d damaged", good, damaged)
		}
		return err
	})
	if got := s.Damaged(); len(got) != 1 || got[0] != "workspace/"+bad.ID {
		t.Errorf("damaged are %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Verify(s.path)
	if err != nil || len(r.Problems) != 1 || !strings.Contains(r.Problems[0], bad.ID) {
		t.Errorf("Verify: %v, %q", err, r.Problems)
	}
}

func TestADamagedWorkspaceCanBeWrittenOverOrDeleted(t *testing.T) {
	for name, mend := range map[string]func(*Tx, workspace.Workspace) error{
		"written over": func(tx *Tx, w workspace.Workspace) error {
			w.Name, w.Port, w.Slot, w.State = "mended", 9000, 77, workspace.Failed
			return tx.PutWorkspace(w)
		},
		"deleted": func(tx *Tx, w workspace.Workspace) error {
			if err := tx.DeleteWorkspace(w.ID); err != nil {
				return err
			}
			_, err := tx.Workspace(w.ID)
			if f := fault.From(err); f.Kind != fault.Gone || !strings.Contains(f.Text, w.Name) {
				return fmt.Errorf("deleted, but: %w", err)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			fill(t, s, 5)
			w := sample(3)
			raw(t, s, func(b *bbolt.Tx) error { return flip(b, bWorkspace, []byte(w.ID), rowHeader+5) })
			mustUpdate(t, s, func(tx *Tx) error { return mend(tx, w) })
			mustUpdate(t, s, func(tx *Tx) error { // what it held is free
				v := sample(6)
				v.Name, v.Port, v.Slot = w.Name, w.Port, w.Slot
				return tx.PutWorkspace(v)
			})
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			mustBeSound(t, s.path)
		})
	}
}

func TestADamagedJobNeitherRunsNorBlocks(t *testing.T) {
	s := newStore(t)
	fill(t, s, 6) // jobs 2, 4, 6
	j := sampleJob(2, sample(2))
	raw(t, s, func(b *bbolt.Tx) error { return flip(b, bJob, []byte(j.ID), rowHeader+5) })
	mustUpdate(t, s, func(tx *Tx) error {
		due, err := tx.DueJobs(epoch.AddDate(1, 0, 0), 0)
		next, ok := tx.NextJobDue(epoch.AddDate(-1, 0, 0))
		if len(due) != 2 || !ok || !next.Equal(epoch.Add(4e9)) {
			t.Errorf("%d due, next %v", len(due), next)
		}
		_, _, errOpen := tx.OpenJob(sample(2).ID)
		wantCode(t, errOpen, fault.Internal, "record_damaged")
		n, errReset := tx.ResetActive()
		_, errStats := tx.JobStats()
		if n != 0 {
			t.Errorf("%d reset", n)
		}
		j.State = workspace.JobFailed
		return errors.Join(err, errReset, errStats, tx.EndJob(j), tx.PutJob(sampleJob(7, sample(2))))
	})
	raw(t, s, func(b *bbolt.Tx) error { return flip(b, bJobEnded, []byte(j.ID), rowHeader+5) })
	mustUpdate(t, s, func(tx *Tx) error { return tx.DropEndedJob(j.ID) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, s.path)
}

func TestADamagedIndexEntryIsToldFromTheRows(t *testing.T) {
	s := newStore(t)
	fill(t, s, 4)
	w := sample(2)
	raw(t, s, func(b *bbolt.Tx) error {
		return errors.Join(flip(b, bName, []byte(w.Name), rowHeader), flip(b, bPort, numberKey(w.Port), 1),
			flip(b, bJobWorkspace, []byte(w.ID), rowHeader), flip(b, bDeadline, []byte("late\x00"+w.ID), rowHeader+1))
	})
	mustUpdate(t, s, func(tx *Tx) error {
		if got, err := tx.Resolve(w.Name); got.ID != w.ID {
			t.Errorf("%s led to %q, %v", w.Name, got.ID, err)
		}
		if id := tx.Ports()[w.Port]; id != w.ID {
			t.Errorf("port is held by %q", id)
		}
		thief := sample(9)
		thief.Name = w.Name
		wantCode(t, tx.PutWorkspace(thief), fault.Conflict, "name_taken")
		wantCode(t, tx.PutJob(sampleJob(9, w)), fault.Conflict, "job_open")
		w.State = workspace.Stopped // any write mends its entries
		return errors.Join(tx.PutWorkspace(w), tx.PutJob(sampleJob(2, w)), tx.PutDeadline(Deadline{epoch, DeadlineLate, w.ID}))
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, s.path)
}

func TestAMissingBucketKeepsAStoreFromOpening(t *testing.T) {
	s := newStore(t)
	raw(t, s, func(b *bbolt.Tx) error { return b.DeleteBucket([]byte(bEvent)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(s.path)
	wantCode(t, err, fault.Internal, "store_damaged")
}

// TestRandomDamage damages files in many ways, each examined by processes of
// their own. Opening and using one may refuse, but never panics, and never begins
// anew; verifying one may die, but calls sound only what holds all that was there.
func TestRandomDamage(t *testing.T) {
	whole := backupOf(t, 120)
	good, status := runToEnd(t, child(t, "verify", writeTemp(t, whole)))
	if status != childOK {
		t.Fatalf("the file to damage is not sound: %s", good)
	}
	rounds := 50
	if testing.Short() {
		rounds = 16
	}
	rng := rand.New(rand.NewPCG(1, 2))
	outcome := map[string]int{}
	for i := range rounds {
		kind, content := damage(rng, i, whole)
		path := writeTemp(t, content)
		if out, status := runToEnd(t, child(t, "verify", path)); status == childOK && out != good || status == childWrong {
			t.Errorf("%s (round %d): called sound, but %s", kind, i, out)
		} else {
			outcome[fmt.Sprintf("verify %s: %s", kind, statusName(status))]++
		}
		if !bytes.Equal(readFile(t, path), content) {
			t.Errorf("%s (round %d): Verify changed the file", kind, i)
		}
		out, status := runToEnd(t, child(t, "read", path))
		if status != childOK && status != childRefused {
			t.Errorf("%s (round %d): reading ended with status %d: %.2000s", kind, i, status, out)
		}
		outcome[fmt.Sprintf("read %s: %s", kind, statusName(status))]++
	}
	t.Logf("%v", outcome)
}

func damage(rng *rand.Rand, round int, whole []byte) (kind string, content []byte) {
	b := bytes.Clone(whole)
	page := os.Getpagesize()
	at := rng.IntN(len(b) / page * page)
	start := at / page * page
	switch round % 5 {
	case 0:
		b[at] ^= 1 << rng.IntN(8)
		return "bit", b
	case 1:
		clear(b[start : start+page])
		return "zeroed page", b
	case 2:
		for i := start; i < start+64; i++ {
			b[i] = byte(rng.Uint32())
		}
		return "garbage header", b
	case 3:
		return "truncated", b[:at]
	}
	other := rng.IntN(len(b)/page) * page
	copy(b[start:start+page], b[other:other+page])
	return "page of another", b
}

func runToEnd(t *testing.T, cmd *exec.Cmd) (out string, status int) {
	t.Helper()
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b)), cmd.ProcessState.ExitCode()
}

func statusName(status int) string {
	switch status {
	case childOK:
		return "fine"
	case childRefused:
		return "refused"
	}
	return "died"
}
