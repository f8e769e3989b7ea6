package activity

import "time"

// Quality is how well a connection carries.
type Quality string

// The qualities.
const (
	Stable   Quality = "stable"
	Unstable Quality = "unstable"
	Poor     Quality = "poor"
)

// The bounds between the qualities, of the smoothed round trip plus four times its
// variation: the time within which nearly every answer comes (RFC 6298, 2). What has
// become worse has to be a quarter better than the bound to be called so again.
const (
	unstableFrom = 250 * time.Millisecond
	poorFrom     = time.Second
)

// RoundTrips smooths the round trips of one connection as RFC 6298 does. The zero value
// is ready; one goroutine uses it.
type RoundTrips struct {
	SRTT, Var time.Duration
	lost      int
	quality   Quality
}

// Add takes one measured round trip and returns the quality.
func (r *RoundTrips) Add(d time.Duration) Quality {
	d = max(d, 0)
	r.lost = 0
	if r.quality == "" {
		r.SRTT, r.Var, r.quality = d, d/2, Stable
	} else {
		r.Var += ((r.SRTT - d).Abs() - r.Var) / 4
		r.SRTT += (d - r.SRTT) / 8
	}
	return r.judge()
}

// Lose takes one ping that was not answered in time and returns the quality: one is
// unstable, two in a row are poor.
func (r *RoundTrips) Lose() Quality {
	r.lost++
	return r.judge()
}

// Quality is the quality as of the last measurement; stable before the first.
func (r *RoundTrips) Quality() Quality {
	if r.quality == "" {
		return Stable
	}
	return r.quality
}

func (r *RoundTrips) judge() Quality {
	within := r.SRTT + 4*r.Var
	back := func(bound time.Duration) time.Duration { return bound * 3 / 4 }
	switch was := r.Quality(); {
	case r.lost >= 2, within >= poorFrom, was == Poor && within >= back(poorFrom):
		r.quality = Poor
	case r.lost == 1, within >= unstableFrom, was != Stable && within >= back(unstableFrom):
		r.quality = Unstable
	default:
		r.quality = Stable
	}
	return r.quality
}
