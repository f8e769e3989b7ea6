package agentlink

import (
	"context"
	"net"
	"net/url"
	"strconv"
	"sync"

	"github.com/wsctl/wsctl/internal/agentapi"
)

// maxLent bounds the connections to an ssh agent that are served for one command at a
// time, whatever an agent says.
const maxLent = 16

// lending serves the connections of one command to its ssh agent. A nil one serves none.
type lending struct {
	link   *Link
	to     func(context.Context, net.Conn)
	ctx    context.Context
	cancel context.CancelFunc
	places chan struct{}
	group  sync.WaitGroup
}

// Lend is Exec for a command that finds an ssh agent by SSH_AUTH_SOCK. Each connection to
// that is given to serve, in a goroutine of its own. Its context ends, and the connection
// is closed, when Copy returns, which waits for serve.
func (l *Link) Lend(ctx context.Context, start agentapi.ExecStart, serve func(context.Context, net.Conn)) (*Process, error) {
	start.Auth = true
	p, err := l.Exec(ctx, start)
	if err != nil {
		return nil, err
	}
	p.lent = &lending{link: l, to: serve, places: make(chan struct{}, maxLent)}
	p.lent.ctx, p.lent.cancel = context.WithCancel(ctx)
	return p, nil
}

func (d *lending) serve(id uint64) {
	if d == nil {
		return
	}
	select {
	case d.places <- struct{}{}:
	default:
		return // the agent does not keep to its bound
	}
	d.group.Go(func() {
		defer func() { <-d.places }()
		conn, err := d.link.upgrade(d.ctx, agentapi.PathAuth, url.Values{"id": {strconv.FormatUint(id, 10)}}, agentapi.UpgradeRaw)
		if err != nil {
			return // who asked has given up
		}
		defer conn.Close() //nolint:errcheck // closed by whichever side is first
		stop := context.AfterFunc(d.ctx, func() { _ = conn.Close() })
		defer stop()
		d.to(d.ctx, conn)
	})
}

func (d *lending) end() {
	if d != nil {
		d.cancel()
		d.group.Wait()
	}
}
