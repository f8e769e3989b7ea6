package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// The head of a bbolt file (format 2), as far as it tells how long the file must
// be. bbolt itself maps a file that is too short and dies on the first page that
// is not there.
const (
	pageHeader  = 16
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaSummed  = 56 // bytes that the checksum covers
	metaSize    = metaSummed + 8
	minPage     = 1 << 10
	maxPage     = 1 << 24
)

type metaPage struct {
	pageSize             uint32
	root, freelist, high uint64 // page numbers; high is one more than the last
	txid                 uint64
}

// checkHeader refuses a file that is empty, has no valid meta page, or is shorter
// than its newest meta page says.
func checkHeader(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return openFault(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return openFault(path, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return storeDamaged(path, errors.New("it is not a regular file"))
	case info.Size() == 0:
		return storeDamaged(path, errors.New("it is empty"))
	}
	m, ok := newestMeta(f)
	if !ok {
		return storeDamaged(path, errors.New("it has no valid head"))
	}
	if m.root >= m.high || m.high > uint64(info.Size())/uint64(m.pageSize) {
		return storeDamaged(path, fmt.Errorf("it has %d bytes, but %d pages of %d", info.Size(), m.high, m.pageSize))
	}
	return nil
}

// newestMeta reads both meta pages. The second one follows the first at a page
// size that only a valid one tells.
func newestMeta(f *os.File) (metaPage, bool) {
	first, ok := readMeta(f, 0)
	if ok {
		if second, ok := readMeta(f, int64(first.pageSize)); ok && second.txid > first.txid {
			return second, true
		}
		return first, true
	}
	for size := int64(minPage); size <= maxPage; size *= 2 {
		if m, ok := readMeta(f, size); ok && int64(m.pageSize) == size {
			return m, true
		}
	}
	return metaPage{}, false
}

func readMeta(f *os.File, at int64) (metaPage, bool) {
	var b [metaSize]byte
	if _, err := f.ReadAt(b[:], at+pageHeader); err != nil {
		return metaPage{}, false
	}
	n := binary.NativeEndian
	sum := fnv.New64a()
	_, _ = sum.Write(b[:metaSummed])
	m := metaPage{
		pageSize: n.Uint32(b[8:]), root: n.Uint64(b[16:]), freelist: n.Uint64(b[32:]),
		high: n.Uint64(b[40:]), txid: n.Uint64(b[48:]),
	}
	ok := n.Uint32(b[0:]) == boltMagic && n.Uint32(b[4:]) == boltVersion && n.Uint64(b[metaSummed:]) == sum.Sum64() &&
		m.pageSize >= minPage && m.pageSize <= maxPage
	return m, ok
}
