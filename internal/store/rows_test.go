package store

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wsctl/wsctl/internal/workspace"
)

func TestARowIsReadBackUnderItsKeyOnly(t *testing.T) {
	key := []byte("k")
	row, err := sealRow(key, map[string]int{"a": 1})
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]int
	if err := openRow(key, row, &v); err != nil || v["a"] != 1 {
		t.Fatalf("got %v, %v", v, err)
	}
	if err := openRow([]byte("l"), row, &v); err == nil {
		t.Error("a row is accepted under another key")
	}
	for i := range row {
		for bit := range 8 {
			bad := bytes.Clone(row)
			bad[i] ^= 1 << bit
			if err := openRow(key, bad, &v); err == nil {
				t.Errorf("bit %d of byte %d flipped, and nobody noticed", bit, i)
			}
		}
	}
	for n := range row {
		if err := openRow(key, row[:n], &v); err == nil {
			t.Errorf("a row of %d bytes of %d is accepted", n, len(row))
		}
	}
}

func TestARowOfANewerMinorVersionKeepsWhatWeKnow(t *testing.T) {
	row, err := sealRow([]byte("w"), map[string]any{"id": "w1", "name": "demo", "state": "running", "colour": "green", "spec": map[string]any{"gpu": 1}})
	if err != nil {
		t.Fatal(err)
	}
	var w workspace.Workspace
	if err := openRow([]byte("w"), row, &w); err != nil || w.Name != "demo" || w.State != workspace.Running {
		t.Errorf("got %+v, %v", w, err)
	}
}

func TestTimeKeysSortAsTimesDo(t *testing.T) {
	times := []time.Time{
		{},
		time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC), firstTime.Add(1), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, -1),
		time.Unix(0, 0), time.Unix(0, 1), epoch, epoch.Add(1), lastTime, lastTime.AddDate(1, 0, 0), time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if !slices.IsSortedFunc(times, func(a, b time.Time) int { return bytes.Compare(timeKey(a), timeKey(b)) }) {
		t.Error("keys are not in the order of times")
	}
	if !keyTime(timeKey(time.Time{})).IsZero() {
		t.Error("the zero time does not come back")
	}
	if !bytes.Equal(timeKey(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)), timeKey(lastTime)) {
		t.Error("a time after 2262 is not the greatest key")
	}
}

func TestTimeKeysOfAnyTwoTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ns := rapid.Int64Range(math.MinInt64+1, math.MaxInt64)
		a, b := time.Unix(0, ns.Draw(t, "a")), time.Unix(0, ns.Draw(t, "b"))
		if got, want := bytes.Compare(timeKey(a), timeKey(b)), a.Compare(b); got != want {
			t.Fatalf("keys compare %d, times %d", got, want)
		}
		if !keyTime(timeKey(a)).Equal(a) {
			t.Fatalf("%v came back as %v", a, keyTime(timeKey(a)))
		}
	})
}

func FuzzOpenRow(f *testing.F) {
	key := []byte("k")
	for _, v := range []any{sample(1), sampleJob(1, sample(1)), "w1", 7, nil, map[string]any{"id": 1}} {
		row, err := sealRow(key, v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(key, row)
	}
	f.Add([]byte{}, []byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, key, row []byte) {
		before := bytes.Clone(row)
		var w workspace.Workspace
		err := openRow(key, row, &w)
		if err == nil && checkRow(key, row) != nil {
			t.Error("a row with a wrong sum was decoded")
		}
		if !bytes.Equal(before, row) {
			t.Error("the row was changed by reading it")
		}
		if len(row) <= rowHeader {
			return
		}
		// The decoder behind the checksum: what a program with a bug might have sealed.
		sealed, errSeal := sealRow(key, rawJSON(row[rowHeader:]))
		if errSeal != nil {
			return // not JSON
		}
		if err := openRow(key, sealed, &w); err != nil {
			return
		}
		again, err := sealRow(key, w)
		var back workspace.Workspace
		if err == nil {
			err = openRow(key, again, &back)
		}
		if err != nil && w.State.Valid() {
			t.Errorf("a workspace that was read cannot be written and read again: %v", err)
		}
	})
}

type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }

func TestAnIDIsReadFromAPlainWordOnly(t *testing.T) {
	key := []byte("name")
	for text, plain := range map[string]bool{
		"wabc234": true, "": true, "A": false, "a-b": false, `a"b`: false, "a\\b": false, "é": false,
	} {
		row, err := sealRow(key, text)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := openID(key, row); ok != plain || ok && id != text {
			t.Errorf("%q reads as %q, %t", text, id, ok)
		}
		row[len(row)-1] ^= 1
		if id, ok := openID(key, row); ok {
			t.Errorf("a damaged %q reads as %q", text, id)
		}
		row[len(row)-1] ^= 1
		if id, ok := openID([]byte("other"), row); ok {
			t.Errorf("%q under another key reads as %q", text, id)
		}
	}
	for _, v := range []any{7, nil, []string{"a"}, map[string]int{}} {
		row, err := sealRow(key, v)
		if err != nil {
			t.Fatal(err)
		}
		if id, ok := openID(key, row); ok {
			t.Errorf("%v reads as %q", v, id)
		}
	}
}
