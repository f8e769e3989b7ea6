package render

import (
	"fmt"
	"strings"
	"time"
)

// Relative says the times of a sentence as people count them.
func Relative(now time.Time, text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		bare := strings.TrimRight(w, ",.;:")
		t, err := time.Parse(time.RFC3339, bare)
		if err != nil || i == 0 {
			continue
		}
		said := Ago(now, t)
		switch before := words[i-1]; {
		case before == "until" && t.After(now):
			words[i-1], said = "for another", Left(t.Sub(now))
		case t.After(now):
			said = Until(now, t)
		case said == "now":
			said = "just now"
		}
		if words[i-1] == "at" {
			words[i-1] = ""
		}
		words[i] = said + w[len(bare):]
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// Until says how far ahead t is.
func Until(now, t time.Time) string {
	d := t.Sub(now)
	if d < time.Second {
		return "now"
	}
	return "in " + Left(d)
}

// Left is a span ahead, with the precision that helps.
func Left(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < time.Minute:
		return Span(d)
	case d < 10*time.Minute && d%time.Minute != 0:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d.Round(time.Minute) < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	d = d.Round(time.Minute)
	if m := int(d.Minutes()) % 60; m != 0 {
		return fmt.Sprintf("%d h %d min", int(d.Hours()), m)
	}
	return Span(d)
}
