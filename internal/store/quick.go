package store

// VerifyQuick checks what would keep a daemon from working on the file at all: its
// header, schema and pages. Damaged rows are left to the daemon, which isolates
// them. It is to be run in a process of its own, as Verify is, and takes about a
// tenth of its time.
func VerifyQuick(path string) error {
	schema, err := inspect(path)
	if err != nil {
		return err
	}
	if schema > currentSchema() {
		return schemaNewer(path, schema)
	}
	return viewFile(path, func(t *Tx) error {
		var first error
		for err := range t.bolt.Check() { // to its end, else its goroutine waits for ever
			if first == nil {
				first = storeDamaged(path, err)
			}
		}
		return first
	})
}
