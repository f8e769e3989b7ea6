package memory_test

import (
	"testing"
	"testing/synctest"

	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/runtime/memory"
	"github.com/wsctl/wsctl/internal/runtime/runtimetest"
	"github.com/wsctl/wsctl/internal/workspace"
)

// small is a workspace that serves HTTP.
func small(name string) runtime.Container {
	return runtime.Container{
		Ref:  runtime.Ref{Workspace: workspace.NewID(workspace.PrefixWorkspace), Generation: 1},
		Name: name, Owner: "uid:1000", Origin: true,
		Spec: workspace.Spec{
			Image: "wsd:base", Port: 8080, Ready: workspace.ReadyPort, Profile: workspace.Strict,
			Limits: workspace.Limits{CPUs: 1, Memory: 64 << 20, Pids: 64},
		},
	}
}

func open(t *testing.T) runtimetest.Harness {
	engine := memory.NewEngine()
	t.Cleanup(engine.Close)
	must := func(err error) {
		if err != nil {
			t.Errorf("cannot act by hand: %v", err)
		}
	}
	return runtimetest.Harness{
		Driver: engine.Driver("one"), Other: engine.Driver("two"), Container: small, Deaf: []string{"deaf"},
		Kill:         func(r runtime.Ref) { must(engine.Kill(r, 137, false)) },
		RemoveByHand: func(r runtime.Ref) { must(engine.RemoveByHand(r)) },
		Down:         func() func() { engine.Down(); return engine.Up },
	}
}

func TestTheContractHolds(t *testing.T) { runtimetest.Run(t, open) }

func TestTheContractHoldsInVirtualTime(t *testing.T) {
	for _, c := range runtimetest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.Check(t, open(t)) })
		})
	}
}
