package daemon_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"strconv"
	"testing"
)

// withSchema returns the store at path as a version with another schema would have
// written it: the row of the number, and its checksum, are changed wherever they are.
func withSchema(t *testing.T, path string, from, to int) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := append([]byte("schema"), schemaRow(from)...)
	if !bytes.Contains(b, old) {
		t.Fatalf("%s has no schema %d: has there been a migration since?", path, from)
	}
	return bytes.ReplaceAll(b, old, append([]byte("schema"), schemaRow(to)...))
}

// schemaRow is a version byte, the CRC32C of key, version and body, and the body.
func schemaRow(n int) []byte {
	body := strconv.Itoa(n)
	sum := crc32.Checksum([]byte("schema\x01"+body), crc32.MakeTable(crc32.Castagnoli))
	return append(binary.BigEndian.AppendUint32([]byte{1}, sum), body...)
}
