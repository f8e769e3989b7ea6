package runtimetest

import (
	"context"
	"errors"
	"time"

	"github.com/wsctl/wsctl/internal/runtime"
)

func agentCases() []row {
	return []row{
		{"the agent of what runs is reached, or is said not to be there", checkDialAgent},
		{"dial to the agent of what does not run fails at once, and says so", checkDialAgentStopped},
		{"the agent is reached while the engine is away", checkDialAgentAway},
	}
}

// agentAnswers waits until the agent has been talked to.
func (w *world) agentAnswers(r runtime.Ref) {
	w.Helper()
	w.eventually("an answer of the agent", func() bool { return w.talk(r) == nil })
}

// talk talks to the agent over one new connection.
func (w *world) talk(r runtime.Ref) error {
	conn, err := w.Driver.DialAgent(w.ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(quick)); err != nil {
		return err
	}
	return w.Agent(conn)
}

func checkDialAgent(w *world) {
	c := w.running("agent")
	w.answers(c)
	if w.Agent == nil {
		_, err := w.Driver.DialAgent(w.ctx, c.Ref)
		w.mustBe(err, runtime.ErrNoAgent, "dial an agent that is not there")
		return
	}
	w.agentAnswers(c.Ref)
	w.must(w.Driver.Stop(w.ctx, c.Ref, grace), "stop")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start again")
	w.agentAnswers(c.Ref)
}

func checkDialAgentStopped(w *world) {
	c := w.container("agentstopped")
	dial := func() error {
		return w.soon("dial to an agent", quick, func() error {
			conn, err := w.Driver.DialAgent(w.ctx, c.Ref)
			if err == nil {
				err = errors.Join(errConnected, conn.Close())
			}
			return err
		})
	}
	w.mustBe(dial(), runtime.ErrNotFound, "dial the agent of what does not exist")
	w.made(c)
	w.mustBe(dial(), runtime.ErrNotRunning, "dial the agent of one that never ran")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.answers(c)
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	w.mustBe(dial(), runtime.ErrNotRunning, "dial the agent of a stopped one")
	ended, cancel := context.WithCancel(w.ctx)
	cancel()
	_, err := w.Driver.DialAgent(ended, c.Ref)
	w.mustBe(err, context.Canceled, "dial with a context that has ended")
}

func checkDialAgentAway(w *world) {
	if w.Agent == nil || w.Down == nil {
		w.Log("not checked: there is no agent, or the engine cannot be made unreachable")
		return
	}
	c := w.running("agentaway")
	w.agentAnswers(c.Ref)
	up := w.Down()
	defer up()
	w.must(w.talk(c.Ref), "talk to the agent while the engine is away")
}
