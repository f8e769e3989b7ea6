package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wsctl/wsctl/internal/api"
)

// peerEnv makes the test program a client that is there to be killed.
const peerEnv = "WSD_TEST_GATEWAY_PEER"

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		if err := victim(os.Args[1], os.Args[2], os.Args[3]); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// victim joins and prints each number that it is told, unbuffered, until it is killed.
func victim(url, epoch, since string) error {
	ctx := context.Background()
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		Subprotocols: []string{api.GatewayProtocol}, HTTPHeader: http.Header{"User": {alice.ID}},
	})
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(since, 10, 64)
	if err != nil {
		return err
	}
	join := body(api.Frame{Type: api.FrameJoin, Workspace: "one", Payload: body(api.Join{Epoch: epoch, Since: n})})
	if err := conn.Write(ctx, websocket.MessageText, join); err != nil {
		return err
	}
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		var f api.Frame
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		switch {
		case f.Type == api.FrameJoined:
			var j api.Joined
			if err := json.Unmarshal(f.Payload, &j); err != nil {
				return err
			}
			fmt.Println("joined", j.Recovered)
		case f.Type == api.FrameSnapshot, f.Seq > 0:
			fmt.Println(f.Type, f.Epoch, f.Seq)
		}
	}
}

func TestAClientThatIsKilledAgainAndAgainHasNoGapAndNoDuplicate(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	r := newRig(t, Limits{})
	w := r.fake.add("one", alice)
	var seen, told atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	more := make(chan struct{}, 1)
	go func() { // it never runs so far ahead that a queue is full
		defer close(done)
		for {
			for told.Load() < seen.Load()+200 {
				_ = r.hub.Publish(w.ID, api.FrameReload, json.RawMessage(`{"reason":"`+strconv.FormatUint(told.Load(), 10)+`"}`))
				told.Store(r.seq(w.ID))
				if told.Load() == 0 {
					break // nobody is there yet
				}
			}
			select {
			case <-more:
			case <-stop:
				return
			}
		}
	}()
	defer func() { close(stop); <-done }()
	epoch, last := "none", uint64(0)
	for round := range rounds {
		cmd := exec.Command(os.Args[0], r.url, epoch, strconv.FormatUint(last, 10))
		cmd.Env = append(os.Environ(), peerEnv+"=1")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		enough := 1 + round*37%101 // frames, then it is killed in the middle of the others
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); {
			word := strings.Fields(lines.Text())
			switch word[0] {
			case "failed":
				t.Fatalf("round %d: %s", round, lines.Text())
			case "joined":
				if (word[1] == "true") != (round > 0) {
					t.Fatalf("round %d: recovered is %s", round, word[1])
				}
				continue
			}
			seq, err := strconv.ParseUint(word[2], 10, 64)
			switch {
			case err != nil:
				t.Fatal(err)
			case word[0] == api.FrameSnapshot && round == 0:
				epoch, last = word[1], seq
				more <- struct{}{}
				continue
			case word[1] != epoch || seq != last+1:
				t.Fatalf("round %d: %s follows %s %d", round, lines.Text(), epoch, last)
			}
			last = seq
			seen.Store(seq)
			select {
			case more <- struct{}{}:
			default:
			}
			if n++; n == enough {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait()
	}
	t.Logf("%d clients were killed; %d frames came, each once", rounds, last)
}

// No time is judged here: the others get every frame in order while the one that reads
// nothing stands still, its queue never holds more than its limits, and it is closed.
func TestAReaderThatNeverReadsCostsItsQueueAndHoldsUpNobody(t *testing.T) {
	limits := Limits{QueueFrames: 64, QueueBytes: 1 << 20, Write: time.Minute, Ping: time.Hour} // it begins to read late
	r := newRig(t, limits)
	w := r.fake.add("one", alice)
	lazy := r.dial(alice)
	lazy.send(api.FrameJoin, "one", api.Join{})
	lazy.until(api.FrameSnapshot)
	payload := json.RawMessage(`{"text":"` + strings.Repeat("x", 60<<10) + `"}`)
	const frames = 400
	got, lost := make(chan uint64, 3*frames), make(chan error, 3)
	for range 3 {
		p := r.dial(alice)
		p.join("one", api.Join{})
		go func() {
			want := uint64(1)
			for {
				f, err := p.read()
				if err != nil {
					lost <- err
					return
				}
				if f.Seq > 0 {
					if f.Seq != want {
						t.Errorf("frame %d comes where %d should", f.Seq, want)
					}
					want++
					got <- f.Seq
				}
			}
		}()
	}
	r.hub.mu.Lock()
	room := r.hub.rooms[w.ID]
	r.hub.mu.Unlock()
	most := 0
	for i := range frames {
		if err := r.hub.Publish(w.ID, api.FrameConsole, payload); err != nil {
			t.Fatal(err)
		}
		room.mu.Lock()
		for s := range room.seats {
			n, b := s.queue.size()
			most = max(most, b)
			if n > limits.QueueFrames || b > limits.QueueBytes {
				t.Errorf("a queue holds %d frames, %d bytes", n, b)
			}
		}
		room.mu.Unlock()
		if i%8 == 7 { // the others read at the pace of what is told, and are never waited for by the hub
			for range 3 * 8 {
				select {
				case <-got:
				case err := <-lost:
					t.Fatal(err)
				}
			}
		}
	}
	room.mu.Lock()
	seats := len(room.seats)
	room.mu.Unlock()
	if seats != 3 {
		t.Errorf("%d are in the room", seats)
	}
	last, code := lazy.gone()
	if b := of[api.Bye](t, last); code != api.CloseSlow || b.Code != api.CloseSlow {
		t.Errorf("it is closed with %d after %s %.200s", code, last.Type, last.Payload)
	}
	t.Logf("the longest queue held %d bytes", most)
}
