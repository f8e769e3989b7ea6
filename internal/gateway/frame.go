package gateway

import (
	"encoding/json"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// frame is one message as every receiver gets it: encoded once, shared, never changed.
type frame struct {
	typ  string
	room string // id of its workspace, or api.AllRooms; "": it is about the connection
	key  string // a newer frame with the same key takes its place in a queue; "": each one counts
	seq  uint64 // 0: not numbered
	id   string // EPOCH-SEQ, for server-sent events; "": not numbered
	data []byte
}

// news is what is to become a frame of a room.
type news struct {
	typ    string
	key    string   // not numbered; the newest of the key is kept for who comes later
	forget []string // keys whose newest frames no longer hold
	time   time.Time
	body   json.RawMessage
}

// body encodes a payload, all of which are structs of ours.
func body(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic("gateway: a payload cannot fail to marshal: " + err.Error())
	}
	return b
}

func encode(f api.Frame) *frame {
	f.V = 1
	return &frame{typ: f.Type, room: f.Workspace, seq: f.Seq, data: body(f)}
}

// own makes a frame for one receiver alone.
func own(typ, room, epoch string, now time.Time, payload any) *frame {
	return encode(api.Frame{Type: typ, Workspace: room, Epoch: epoch, Time: now, Payload: body(payload)})
}

// always are the types that no subscription leaves out.
func always(typ string) bool {
	switch typ {
	case api.FrameHello, api.FrameJoined, api.FrameSnapshot, api.FrameResync, api.FrameLeft,
		api.FrameError, api.FrameBye, api.FramePing, api.FramePong:
		return true
	}
	return false
}
