package tui

import (
	"testing"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// What is known of a workspace stays while wsd cannot be asked, and only then.
func TestAFetchThatFailsTakesNothingThatIsKnown(t *testing.T) {
	for kind, stays := range map[fault.Kind]bool{fault.Unavailable: true, fault.NotFound: false} {
		t.Run(string(kind), func(t *testing.T) {
			d := drive(t, 80, 24)
			d.world.details = everything()
			d.snapshot(some()...).known().keys("1").shows("demo for the team")
			d.world.refuse = fault.New(kind, "refused", "it is not told")
			d.world.tell(Change{Put: []workspace.Workspace{ws("api", workspace.Running, later)}})
			d.until("it is asked for", func() bool {
				return d.list.known["wapi"].w.Revision > 0 && d.detail.loaded && !d.detail.busy && !d.detail.stale
			})
			if stays {
				d.shows("demo for the team")
			} else {
				d.shows("it is not told [refused]")
			}
			d.world.refuse = nil
			d.world.details = everything()
			d.world.details.Why.Holds[0].Reason = "another reason"
			d.world.tell(Change{Link: &Link{Engine: true}})
			d.shows("wsd is away")
			d.world.tell(Change{Link: &Link{Daemon: true, Engine: true}})
			d.shows("another reason")
		})
	}
}
