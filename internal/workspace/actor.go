package workspace

import "strconv"

// Actor is who asks for something. The zero Actor may do nothing.
type Actor struct {
	ID    string // uid:NUMBER, or Daemon
	Admin bool   // may see and change what others own
}

// Daemon is the actor of what wsd does by itself.
const Daemon = "wsd"

// FrontDoor is the actor of what a request at the front door causes.
const FrontDoor = "front-door"

// UserActor returns the actor for a local user id.
func UserActor(uid uint32, admin bool) Actor {
	return Actor{ID: "uid:" + strconv.FormatUint(uint64(uid), 10), Admin: admin}
}

// Owns reports whether a may see and change w.
func (a Actor) Owns(w Workspace) bool { return a.ID != "" && (a.Admin || a.ID == w.Owner) }
