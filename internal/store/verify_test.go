package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/wsctl/wsctl/internal/fault"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestVerifyFindsEveryIndexThatDisagrees(t *testing.T) {
	w, j := sample(2), sampleJob(2, sample(2))
	drop := func(bucket string, key []byte) func(*Tx) error {
		return func(tx *Tx) error { return tx.drop(bucket, key) }
	}
	for name, c := range map[string]struct {
		tamper func(*Tx) error
		want   string
	}{
		"no name":              {drop(bName, []byte(w.Name)), "workspace.name/ws-2: the entry for"},
		"no port":              {drop(bPort, numberKey(w.Port)), "workspace.port/00001f42: the entry for"},
		"no slot":              {drop(bSlot, numberKey(w.Slot)), "workspace.slot/00000002: the entry for"},
		"no state":             {drop(bState, stateKey(w.Owner, w.State, w.ID)), "the entry for " + w.ID + " is missing"},
		"no open job":          {drop(bJobWorkspace, []byte(w.ID)), "job.workspace/" + w.ID + ": the entry for"},
		"not due":              {drop(bJobDue, timedKey(j.DueAt, j.ID)), "the entry for " + j.ID + " is missing"},
		"no row":               {drop(bWorkspace, []byte(w.ID)), "leads to " + w.ID + ", which does not ask for it"},
		"no job":               {drop(bJob, []byte(j.ID)), "leads to " + j.ID + ", which does not ask for it"},
		"a name too many":      {func(tx *Tx) error { return tx.put(bName, []byte("alias"), w.ID) }, "workspace.name/alias: leads to"},
		"a name of another":    {func(tx *Tx) error { return tx.put(bName, []byte(w.Name), sample(3).ID) }, "workspace.name/ws-2: leads to"},
		"two states":           {func(tx *Tx) error { return tx.mark(bState, stateKey("uid:7", w.State, w.ID)) }, "leads to " + w.ID},
		"due twice":            {func(tx *Tx) error { return tx.mark(bJobDue, timedKey(epoch, j.ID)) }, "leads to " + j.ID},
		"no deadline entry":    {drop(bDeadlineDue, timedKey(w.UpdatedAt, "late\x00"+w.ID)), "the entry is missing"},
		"no deadline row":      {drop(bDeadline, []byte("late\x00"+w.ID)), "no deadline asks for it"},
		"an ended job is open": {func(tx *Tx) error { j := j; j.State = workspace.JobFailed; return tx.put(bJob, []byte(j.ID), j) }, "is failed, but kept as open"},
		"an open job ended":    {func(tx *Tx) error { return tx.put(bJobEnded, []byte(j.ID), j) }, "is waiting, but kept as ended"},
		"a job for nobody":     {func(tx *Tx) error { return tx.PutJob(sampleJob(9, sample(99))) }, "which is not there"},
		"a value in a mark":    {func(tx *Tx) error { return tx.putRaw(bJobDue, timedKey(j.DueAt, j.ID), []byte{1}) }, "checksum or the form"},
		"another key": {func(tx *Tx) error {
			return errors.Join(tx.drop(bWorkspace, []byte(w.ID)), tx.put(bWorkspace, []byte("w9"), w))
		}, "another key than its own"},
		"no bucket": {func(tx *Tx) error { return tx.bolt.DeleteBucket([]byte(bSlot)) }, "buckets are missing: workspace.slot"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			fill(t, s, 5)
			raw(t, s, func(b *bbolt.Tx) error { return c.tamper(&Tx{bolt: b, store: s}) })
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := Verify(s.path)
			if err != nil || !strings.Contains(strings.Join(r.Problems, "\n"), c.want) {
				t.Errorf("Verify: %v, %q, want %q", err, r.Problems, c.want)
			}
		})
	}
}

func TestVerifyCountsAndBoundsItsReport(t *testing.T) {
	s := newStore(t)
	fill(t, s, 300)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if r := mustBeSound(t, s.path); r.Workspaces != 300 || r.Jobs != 150 || r.Events != 300 || r.Schema != currentSchema() {
		t.Errorf("report is %+v", r)
	}
	s = openStore(t, s.path)
	raw(t, s, func(b *bbolt.Tx) error {
		for i := 1; i <= 300; i++ {
			if err := flip(b, bWorkspace, []byte(sample(i).ID), 50); err != nil {
				return err
			}
		}
		return nil
	})
	_ = s.Close()
	r, err := Verify(s.path)
	if n := len(r.Problems); err != nil || n != maxProblems+1 || r.Problems[n-1] != "and 100 more" {
		t.Errorf("%v, %d problems, the last is %q", err, n, r.Problems[n-1])
	}
}

func TestTheNewerMetaPageTellsHowLongTheFileIs(t *testing.T) {
	s := newStore(t)
	var last metaPage
	for n := 1; n <= 4; n++ { // the two pages take turns
		mustUpdate(t, s, func(tx *Tx) error { return tx.SetMeta(fmt.Sprint(n), strings.Repeat("x", 20_000)) })
		f, err := os.Open(s.path)
		if err != nil {
			t.Fatal(err)
		}
		m, ok := newestMeta(f)
		_ = f.Close()
		if !ok || n > 1 && m.txid != last.txid+1 || m.high <= last.high {
			t.Errorf("commit %d: transaction %d of %d pages after %d of %d", n, m.txid, m.high, last.txid, last.high)
		}
		last = m
	}
}

func TestAPageThatNobodyOwnsOrTwoOwnIsFound(t *testing.T) {
	s := newStore(t)
	fill(t, s, 60)
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := errors.Join(writeFile(path+".new", path, s.Backup), s.Close()); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := newestMeta(f)
	_ = f.Close()
	whole := readFile(t, path)
	free := whole[m.freelist*uint64(m.pageSize):] // 16 bytes of header, then page numbers
	count := binary.NativeEndian.Uint16(free[10:])
	if count < 2 {
		t.Fatalf("%d free pages are too few for this test", count)
	}
	for want, change := range map[string]func(){
		"unreachable unfreed": func() { binary.NativeEndian.PutUint16(free[10:], count-1) },
		"reachable freed":     func() { binary.NativeEndian.PutUint64(free[16:], m.root) },
	} {
		before := bytes.Clone(whole)
		change()
		r, err := Verify(writeTemp(t, whole))
		if err != nil || !strings.Contains(strings.Join(r.Problems, "\n"), want) {
			t.Errorf("Verify: %v, %q, want %q", err, r.Problems, want)
		}
		wantCode(t, VerifyQuick(writeTemp(t, whole)), fault.Internal, "store_damaged")
		copy(whole, before)
	}
}

func TestAQuickLookMindsPagesAndSchemaButNoRows(t *testing.T) {
	s := newStore(t)
	fill(t, s, 9)
	raw(t, s, func(b *bbolt.Tx) error { return flip(b, bWorkspace, []byte(sample(4).ID), 100) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := VerifyQuick(s.path); err != nil {
		t.Errorf("a damaged row: %v", err)
	}
	whole := backupOf(t, 9)
	wantCode(t, VerifyQuick(writeTemp(t, whole[:len(whole)-1])), fault.Internal, "store_damaged")
	wantCode(t, VerifyQuick(writeTemp(t, nil)), fault.Internal, "store_damaged")
	again := openStore(t, s.path)
	mustUpdate(t, again, func(tx *Tx) error { return tx.put(bMeta, []byte(metaSchema), currentSchema()+1) })
	_ = again.Close()
	wantCode(t, VerifyQuick(s.path), fault.Unsupported, "schema_newer")
}
