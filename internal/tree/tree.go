// Package tree packs files and folders as tar archives, and unpacks them again.
//
// An archive is hostile: whoever made it may have chosen every name and link in it. What
// is unpacked stays below the folder that was named: no name leads out, no link in the
// archive does, and none that somebody plants meanwhile. What is packed is streamed:
// neither a long file nor a sparse one is held in memory.
package tree

import "strconv"

// ArchiveError says what an archive may not hold.
type ArchiveError struct{ Name, Reason string }

func (e *ArchiveError) Error() string { return strconv.Quote(e.Name) + " " + e.Reason }
