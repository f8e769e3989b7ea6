package gateway

import (
	"bytes"
	"strconv"
	"time"

	"github.com/wsctl/wsctl/internal/api"
)

// Pings and their answers are most of what clients in quiet rooms cost, so both have a way
// of their own beside the general one, to the same bytes and the same effect.

// pingFrame is own of a ping.
func pingFrame(t int64, now time.Time) *frame {
	at := now.AppendFormat(make([]byte, 0, len(time.RFC3339Nano)), time.RFC3339Nano)
	b := make([]byte, 0, 160)
	b = append(append(b, `{"v":1,"type":"ping","time":"`...), at...)
	b = strconv.AppendInt(append(b, `","payload":{"t":`...), t, 10)
	b = append(append(b, `,"server_time":"`...), at...)
	return &frame{typ: api.FramePing, data: append(b, `"}}`...)}
}

var pongBegin, pongEnd = []byte(`{"v":1,"type":"pong","payload":{"t":`), []byte(`}}`)

// plainPong reads a pong in the form in which clients mostly write it. Of any other form, of
// a number that is none and of everything else it reports false.
func plainPong(data []byte) (t int64, ok bool) {
	digits, ok := bytes.CutPrefix(data, pongBegin)
	if !ok {
		return 0, false
	}
	digits, ok = bytes.CutSuffix(digits, pongEnd)
	if !ok || len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(digits) > 1 {
		return 0, false
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		t = 10*t + int64(d-'0')
	}
	return t, true
}
