package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

// poll asks for the state again and again, for a while. An answer that is the same as the
// one before is told to nobody.
func (s *subscription) poll(ctx context.Context, why error) error {
	for range gatewayRetry {
		f, err := s.look(ctx)
		switch {
		case ctx.Err() != nil:
			return fault.From(context.Cause(ctx))
		case err != nil && permanent(err):
			return err
		case err != nil:
			err = s.note(Lost, err)
		default:
			if err = s.note(Polling, why); err == nil && f != nil {
				err = s.give(f)
			}
		}
		if err != nil {
			return err
		}
		if err := pause(ctx, s.options.Poll); err != nil {
			return fault.From(err)
		}
	}
	return nil
}

// look reads the state as a snapshot; nil: it is as it was. The client's cache asks with
// the tag of the last answer, so that wsd sends the state only when it has changed.
func (s *subscription) look(ctx context.Context) (*api.Frame, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	path := "/v1/workspaces"
	if s.options.Workspace != api.AllRooms {
		path = workspacePath(s.options.Workspace, "")
	}
	req, err := s.client.request(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	resp, err := s.client.send(s.client.calls, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	tag := resp.Header.Get("ETag")
	if tag != "" && tag == s.etag {
		return nil, nil
	}
	body := io.LimitReader(resp.Body, maxAnswer)
	var snap api.Snapshot
	if s.options.Workspace == api.AllRooms {
		var list api.LiveList
		err = json.NewDecoder(body).Decode(&list)
		snap.Workspaces = list.Workspaces
	} else {
		snap.Workspace = new(api.Live)
		err = json.NewDecoder(body).Decode(snap.Workspace)
	}
	if err != nil {
		return nil, s.client.connection(ctx, badAnswer(err))
	}
	s.etag = tag
	s.epoch, s.last = "", 0 // the socket, once it is there, has to begin anew
	payload, err := json.Marshal(snap)
	if err != nil {
		return nil, err
	}
	return &api.Frame{V: 1, Type: api.FrameSnapshot, Workspace: s.options.Workspace, Time: time.Now(), Payload: payload}, nil
}
