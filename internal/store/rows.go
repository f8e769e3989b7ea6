package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"

	"github.com/wsctl/wsctl/internal/fault"
)

// rowVersion is the version byte of every row that is written now.
const rowVersion = 1

// rowHeader is the size of the version byte and the checksum.
const rowHeader = 1 + crc32.Size

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRow = errors.New("the checksum or the form of a row is wrong")

// sealRow returns the row that keeps v under key.
func sealRow(key []byte, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %T: %w", v, err)
	}
	row := make([]byte, rowHeader, rowHeader+len(body))
	row[0] = rowVersion
	row = append(row, body...)
	binary.BigEndian.PutUint32(row[1:], rowSum(key, row))
	return row, nil
}

// openRow checks row and decodes it into v. Nothing of row is kept.
func openRow(key, row []byte, v any) error {
	if err := checkRow(key, row); err != nil {
		return err
	}
	if err := json.Unmarshal(row[rowHeader:], v); err != nil {
		return fmt.Errorf("cannot decode %T: %w", v, err)
	}
	return nil
}

// openID is openRow for a row that is a plain word, as nearly every id is; false
// for anything else.
func openID(key, row []byte) (string, bool) {
	if checkRow(key, row) != nil {
		return "", false
	}
	body := row[rowHeader:]
	last := len(body) - 1
	if last < 1 || body[0] != '"' || body[last] != '"' {
		return "", false
	}
	for _, c := range body[1:last] {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", false
		}
	}
	return string(body[1:last]), true
}

func checkRow(key, row []byte) error {
	if len(row) <= rowHeader || row[0] != rowVersion || binary.BigEndian.Uint32(row[1:]) != rowSum(key, row) {
		return errRow
	}
	return nil
}

func rowSum(key, row []byte) uint32 {
	sum := crc32.Update(0, castagnoli, key)
	sum = crc32.Update(sum, castagnoli, row[:1])
	return crc32.Update(sum, castagnoli, row[rowHeader:])
}

// maxText bounds each part of a key in bytes; bbolt allows 32 KiB for the whole.
const maxText = 4 << 10

const signBit = 1 << 63

// The first and last instants that fit into int64 nanoseconds since 1970.
var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// timeKey returns the 8 bytes of t that sort as times do.
func timeKey(t time.Time) []byte {
	n := int64(math.MinInt64)
	switch {
	case t.After(lastTime):
		n = math.MaxInt64
	case t.After(firstTime):
		n = t.UnixNano()
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n)^signBit)
}

// keyTime is the inverse of timeKey for times that it did not cut off. The
// smallest key is the zero time.
func keyTime(key []byte) time.Time {
	n := int64(binary.BigEndian.Uint64(key) ^ signBit)
	if n == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func timedKey(t time.Time, rest string) []byte { return append(timeKey(t), rest...) }

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func numberKey(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// keyNumber is the inverse of numberKey, 0 for anything else.
func keyNumber(key []byte) int {
	if len(key) != 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(key))
}

// checkTexts checks pairs of what it is and the text itself.
func checkTexts(pairs ...string) error {
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := checkText(pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// checkText refuses a part of a key that is empty or would run into the next one.
func checkText(what, s string) error {
	if s == "" || len(s) > maxText || strings.ContainsRune(s, 0) {
		return fault.New(fault.Internal, "key_invalid", "%s %.40q cannot be a key of the store", what, s)
	}
	return nil
}
