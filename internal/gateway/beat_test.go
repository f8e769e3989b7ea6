package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

func TestAPingIsWrittenAsEveryFrameIs(t *testing.T) {
	for _, now := range []time.Time{
		time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2030, 1, 2, 3, 4, 5, 120_000_000, time.UTC),
		time.Date(2030, 1, 2, 3, 4, 5, 123_456_789, time.FixedZone("", -9000)),
	} {
		for _, n := range []int64{0, 7, 1 << 60} {
			got, want := pingFrame(n, now), own(api.FramePing, "", "", now, api.Ping{T: n, ServerTime: now})
			if string(got.data) != string(want.data) || got.typ != want.typ || got.seq != 0 || got.key != "" {
				t.Errorf("%s\nwant %s", got.data, want.data)
			}
		}
	}
}

func TestOnlyAPlainPongIsReadWithoutADecoder(t *testing.T) {
	for text, want := range map[string]int64{
		`{"v":1,"type":"pong","payload":{"t":17}}`: 17, `{"v":1,"type":"pong","payload":{"t":0}}`: 0,
		`{"v":1,"type":"pong","payload":{"t":999999999999999999}}`: 999999999999999999,
	} {
		if got, ok := plainPong([]byte(text)); !ok || got != want {
			t.Errorf("%s is read as %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{
		``, `{"v":1,"type":"pong","payload":{"t":`, `{"v":1,"type":"pong","payload":{"t":}}`, `{"v":1,"type":"pong","payload":{"t":017}}`,
		`{"v":1,"type":"pong","payload":{"t":-1}}`, `{"v":1,"type":"pong","payload":{"t":1,"t":2}}`, `{"v":1,"type":"pong","payload":{"t":1.5}}`,
		`{"v":1,"type":"pong","payload":{"t":9999999999999999999}}`, `{"v":1,"type":"ping","payload":{"t":17}}`, `{"type":"pong","payload":{"t":17}}`,
		`{"v":1,"type":"pong","payload":{"t":17}} `,
	} {
		if got, ok := plainPong([]byte(text)); ok {
			t.Errorf("%s is read as %d", text, got)
		}
	}
}

// Whatever is read the short way means the same the long way.
func FuzzPlainPong(f *testing.F) {
	f.Add(`{"v":1,"type":"pong","payload":{"t":17}}`)
	f.Add(`{"v":1,"type":"pong","payload":{"t":`)
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := plainPong([]byte(text))
		if !ok {
			return
		}
		var frame api.Frame
		var p api.Ping
		if strict([]byte(text), &frame) != nil || frame.Type != api.FramePong || strict(frame.Payload, &p) != nil || strconv.FormatInt(p.T, 10) != strconv.FormatInt(got, 10) {
			t.Errorf("%s is read as %d, and means %+v %+v", text, got, frame, p)
		}
	})
}

func TestLongPausesEndAtFullSeconds(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 300_000_000, time.UTC)
	for d, want := range map[time.Duration]time.Duration{
		20 * time.Millisecond: 20 * time.Millisecond, 2900 * time.Millisecond: 2900 * time.Millisecond,
		15 * time.Second: 14700 * time.Millisecond, 4990 * time.Millisecond: 3700 * time.Millisecond,
	} {
		if got := together(now, d); got != want || d >= 3*time.Second && now.Add(got).Nanosecond() != 0 {
			t.Errorf("%v becomes %v, want %v", d, got, want)
		}
	}
}

func TestClientsThatComeTogetherAreAskedApart(t *testing.T) {
	const every = 15 * time.Second
	now := time.Date(2030, 1, 2, 3, 4, 5, 300_000_000, time.UTC)
	seen := map[time.Duration]int{}
	for range 1000 {
		d := firstBeat(now, every)
		if d < 0 || d > every {
			t.Fatalf("the first ping comes after %v", d)
		}
		seen[d.Truncate(time.Second)]++
	}
	for d, n := range seen {
		if len(seen) < 10 || n > 250 {
			t.Errorf("%d of 1000 are asked after %v, all within %d seconds", n, d, len(seen))
		}
	}
}

// Rounds are what asks quiet clients: each of them again and again, and none is left out of one.
func TestQuietClientsAreAskedInRounds(t *testing.T) {
	const every, clients, times = 5 * time.Second, 8, 2 // more clients than seconds: some are due together
	t.Parallel()                                        // it mostly waits
	r := newRig(t, Limits{Ping: every})
	r.fake.add("one", alice)
	asked := make(chan error, clients)
	for range clients {
		p := r.dial(alice)
		p.join("one", api.Join{})
		go func() { asked <- p.isAsked(times, 2*every) }()
	}
	for range clients {
		if err := <-asked; err != nil {
			t.Error(err)
		}
	}
}

// isAsked answers pings until that many have followed one another within less than apart, by
// wsd's own clock.
func (p *peer) isAsked(times int, apart time.Duration) error {
	for last := (time.Time{}); times > 0; {
		f, err := p.read()
		if err != nil {
			return fmt.Errorf("it is not asked again: %w", err)
		}
		if f.Type != api.FramePing {
			continue
		}
		if d := f.Time.Sub(last); !last.IsZero() {
			if d >= apart {
				return fmt.Errorf("it is asked again after %v", d)
			}
			times--
		}
		last = f.Time
		var ping api.Ping
		if err := json.Unmarshal(f.Payload, &ping); err != nil {
			return err
		}
		if err := p.conn.Write(p.ctx, websocket.MessageText, body(api.Frame{V: 1, Type: api.FramePong, Payload: body(ping)})); err != nil {
			return err
		}
	}
	return nil
}
