package tui

import (
	"fmt"
	"strings"
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

func TestPanesSayThatMoreIsBelow(t *testing.T) {
	d := drive(t, 40, 12).snapshot(some()...).known().keys("8")
	var more int
	if _, err := fmt.Sscanf(strings.TrimSpace(strings.Split(d.View(), "\n")[9]), "↓ %d lines more", &more); err != nil || more < 2 {
		t.Fatalf("nothing is said (%v):\n%s", err, d.View())
	}
	d.keys("j")
	if !strings.Contains(d.View(), fmt.Sprintf("↓ %d line", more-1)) {
		t.Errorf("after %d:\n%s", more, d.View())
	}
	d.keys("G")
	if s := d.View(); strings.Contains(s, "more") || !strings.Contains(s, "revision") {
		t.Errorf("at its end:\n%s", s)
	}
}

func TestPanesOfAWsdThatIsAwaySaySo(t *testing.T) {
	d := drive(t, 80, 24).snapshot(some()...)
	d.world.tell(Change{Link: &Link{Why: "gone", Since: noon}})
	d.shows("wsd is away").keys("3").shows("wsd is away; this is asked for when it is back")
	d.keys("2").shows("what was written is asked for when it is back").shows("0 lines · wsd is away")
}
