package gateway

import (
	"net/http"
	"slices"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
)

func TestCheckUpgrade(t *testing.T) {
	good := func() http.Header {
		return http.Header{
			"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Protocol": {"other", api.ExecProtocol},
		}
	}
	for _, tt := range []struct {
		name, header, value, code string
	}{
		{"a proper upgrade", "", "", ""},
		{"no connection token", "Connection", "keep-alive", "upgrade_required"},
		{"no upgrade", "Upgrade", "h2c", "upgrade_required"},
		{"an old version", "Sec-Websocket-Version", "8", "upgrade_required"},
		{"no protocol of ours", "Sec-Websocket-Protocol", "wsd.exec.v10", "subprotocol_required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := good()
			if tt.header != "" {
				h.Set(tt.header, tt.value)
			}
			err := CheckUpgrade(&http.Request{Header: h}, api.ExecProtocol)
			if (err == nil) != (tt.code == "") || (err != nil && err.Code != tt.code) {
				t.Errorf("got %v, want %q", err, tt.code)
			}
		})
	}
}

func TestSpecOf(t *testing.T) {
	spec, err := specOf(api.ExecStart{Command: []string{"ls", ""}, Env: map[string]string{"B": "1", "A": ""}, Dir: "/x", TTY: true, Stdin: true, Cols: 3, Rows: 4})
	if err != nil || !slices.Equal(spec.Command, []string{"ls", ""}) || !slices.Equal(spec.Env, []string{"A=", "B=1"}) ||
		spec.Dir != "/x" || !spec.TTY || !spec.Stdin || spec.Cols != 3 || spec.Rows != 4 {
		t.Errorf("got %+v, %v", spec, err)
	}
	for name, start := range map[string]api.ExecStart{
		"no command":        {},
		"an empty word":     {Command: []string{""}},
		"a relative folder": {Command: []string{"ls"}, Dir: "../x"},
		"a NUL in a folder": {Command: []string{"ls"}, Dir: "/\x00"},
		"a bad variable":    {Command: []string{"ls"}, Env: map[string]string{"": "x"}},
	} {
		if _, err := specOf(start); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
