// Package store keeps the daemon's state: typed transactions and indexes on one
// bbolt file.
//
// Its job is to write rows, keep every index in step with them inside the same
// transaction, and tell damage apart from absence. It decides nothing: what may
// follow what is the caller's business. It reads no clock and starts no goroutine.
//
// # The file
//
// One level of buckets. A dot names an index of the bucket before it.
//
//	meta                  "schema" -> row number; "instance" -> row text
//	                      "head", "anchor" -> row {seq, hash}: newest fact, newest pruned fact
//	setting               KEY -> row text
//	workspace             ID -> row workspace.Workspace
//	workspace.name        NAME -> row ID
//	workspace.port        uint32 -> row ID
//	workspace.slot        uint32 -> row ID
//	workspace.state       OWNER 00 STATE 00 ID -> nothing           (since schema 2)
//	workspace.tombstone   ID -> row {name}
//	job                   ID -> row workspace.Job, open
//	job.workspace         WORKSPACE -> row ID: the one open job
//	job.due               time ID -> nothing: waiting and delayed jobs
//	job.ended             ID -> row workspace.Job, ended
//	job.done              time ID -> nothing: completed and cancelled, by end
//	job.failed            time ID -> nothing: failed, by end
//	job.stats             KIND -> row counters
//	deadline              KIND 00 KEY -> row time
//	deadline.due          time KIND 00 KEY -> nothing
//	event                 uint64 seq -> row event.Event
//	idempotency           OWNER 00 KEY -> row Kept
//	secret                OWNER 00 NAME -> row Secret, its value encrypted   (since schema 3)
//	activity              WORKSPACE -> row activity.Record          (since schema 4)
//	activity.level        LEVEL 00 WORKSPACE -> nothing             (since schema 4)
//
// Numbers in keys are big-endian. A time is 8 bytes: nanoseconds since 1970 with
// the sign bit flipped, so that bytes sort as times do; the zero time and anything
// before 1677 is 0, anything after 2262 is the greatest value. Text keys are the
// text itself and hold no NUL.
//
// A row is one version byte (now 1), the CRC32C (Castagnoli, big-endian) of key,
// version and body, and the body as JSON. The key is in the sum so that a row
// found under another key is damage too. Fields that this program does not know
// are ignored and lost at the next write; an unknown version byte is damage.
//
// # Changing it
//
// A new optional field needs nothing. Anything else (a bucket, an index, another
// meaning or encoding) is a new entry at the end of migrations with a test on a
// saved file of the schema before; entries are never edited after a release. A new
// file is made by schema 1 and the same migrations, so both have one shape. Before
// a migration the file is copied to PATH.schema-N. A file of a newer schema is
// refused and not touched.
//
// # Damage
//
// bbolt does not notice most bit flips. A damaged row costs that row: reading it
// gives "record_damaged", lists leave it out or yield the error, and its name is
// kept in Store.Damaged. A damaged page gives "store_damaged". Neither ever makes
// the store start empty. Verify reads everything; some damage kills the process
// that reads it (bbolt follows page numbers into memory that is not mapped), so
// Verify belongs into a process of its own.
//
// # Concurrency
//
// A Store may be used by many goroutines: one Update at a time, Views beside it.
// A Tx belongs to the function it was given to, and to its goroutine. A View that
// lasts long makes the file grow and can hold up an Update that must enlarge the
// mapping. Close waits for running transactions.
package store
