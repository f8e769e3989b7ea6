package cli

import (
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/client"
)

func TestDoctorWarnsOfAWsdThatAnUpdateLeftRunning(t *testing.T) {
	f := newFactory(Streams{Version: "1.1.0"})
	for version, want := range map[string]string{"1.1.0": checkOK, "1.0.0": checkWarn} {
		if c := f.versionCheck(api.Status{Version: version}, &client.Client{}); c.Status != want || (c.Hint == "") != (want == checkOK) {
			t.Errorf("wsd %s: %+v", version, c)
		}
	}
}
