package wstest

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestOnlyWhatStaysIsLasting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		look := func() []string {
			found := []string{"left"}
			if time.Since(begin) < 5*time.Second {
				found = append(found, "soon removed")
			}
			if time.Since(begin) > 10*time.Second {
				found = append(found, "just made")
			}
			return found
		}
		if got := lasting(30*time.Second, look); !slices.Equal(got, []string{"left"}) {
			t.Errorf("lasting are %q", got)
		}
		again := time.Now()
		if got := lasting(30*time.Second, func() []string { return nil }); len(got) > 0 || !time.Now().Equal(again) {
			t.Errorf("nothing is there, and after %s %q are lasting", time.Since(again), got)
		}
	})
}
