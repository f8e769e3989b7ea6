// Package docker runs workspaces on a Docker Engine (API 1.40 and later; made
// for and tested with 1.41). It implements runtime.Driver and runtime.Warmer.
//
// # What a workspace is made of
//
// A container wsd-ID-GENERATION, a volume wsd-ID at /workspace, and a network
// sandbox: a private bridge with a small subnet of its own and a tiny container
// that owns it and does nothing. The workspace's container joins the sandbox's
// network namespace, because half of a container's start is its network:
// sandboxes are made ahead of use (Warm), survive restarts of the workspace, and
// stay up for recently stopped ones.
//
// Which sandbox belongs to which workspace is written nowhere but in the
// container itself (HostConfig.NetworkMode); a sandbox that no container names is
// free. A workspace's sandbox that was removed with the engine's own tools cannot
// be replaced under the same container: Start and Ensure then return an error
// that satisfies errors.Is(err, runtime.ErrNotFound), and the caller makes a new
// generation. A container that never ran is made anew silently.
//
// # Rules
//
// Everything carries the label wsd.instance; nothing without our own value of it
// is ever changed. A foreign object that has one of our names is a fault with code
// foreign_object. Networks and sandboxes are referred to by id. No port is
// published, no restart policy is set, and the host configuration of a container
// is built by one pure function from typed values (hostconfig.go).
//
// A request whose outcome is unknown is looked up by name before the driver gives
// up with runtime.ErrUnreachable. Every request to the engine has a deadline.
//
// # Concurrency
//
// A Driver is safe for concurrent use. The pool's maps are guarded by one mutex
// that is never held across a request to the engine; lists that refresh it are asked
// for one at a time; a lock for each sandbox keeps Start, Remove and the stopping of
// unused sandboxes apart.
package docker
