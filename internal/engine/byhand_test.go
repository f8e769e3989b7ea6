package engine

import (
	"testing"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/workspace"
)

func TestANetworkRemovedByHandIsToldUntilTheNextStart(t *testing.T) {
	inBubble(t, func(r *rig) {
		w := r.create("demo")
		r.create("other")
		must(t, r.box.CutByHand(ref(w)))
		time.Sleep(31 * time.Second)
		r.settle()
		now := r.want("demo", workspace.Running) // its processes run on
		if c, ok := now.Condition(workspace.NetworkLost); !ok || !c.Status || c.Detail == "" {
			t.Fatalf("the conditions are %+v", now.Conditions)
		}
		if _, ok := r.condition("other", workspace.NetworkLost); ok {
			t.Error("another one lost its network too")
		}
		time.Sleep(5 * time.Minute)
		if again := r.get("demo"); again.Revision != now.Revision {
			t.Error("the same is written again")
		}
		r.restart() // what is recorded outlives wsd
		if _, ok := r.condition("demo", workspace.NetworkLost); !ok {
			t.Error("forgotten by a restart of wsd")
		}
		r.command("demo", api.Restart)
		r.settle()
		time.Sleep(time.Minute)
		r.settle()
		if c, ok := r.condition("demo", workspace.NetworkLost); ok {
			t.Errorf("after a restart: %+v", c)
		}
		must(t, r.box.CutByHand(ref(r.get("demo"))))
		time.Sleep(time.Minute)
		r.command("demo", api.Stop)
		r.settle()
		if c, ok := r.condition("demo", workspace.NetworkLost); ok {
			t.Errorf("it is stopped: %+v", c)
		}
	})
}
