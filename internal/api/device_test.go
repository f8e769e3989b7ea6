package api

import "testing"

func TestDevicesAreNamedByIDOrSize(t *testing.T) {
	for text, want := range map[string]Device{
		"mobile":    {"mobile", "iPhone 15", 393, 659},
		"~mobile":   {"mobile", "iPhone 15", 659, 393},
		"500x700":   {"500x700", "Custom", 500, 700},
		"~50x9999":  {"50x9999", "Custom", 9999, 50},
		"desktop-l": {"desktop-l", "Large desktop", 1920, 1080},
	} {
		if got, ok := ParseDevice(text); !ok || got != want {
			t.Errorf("%s: %+v %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "~", "Mobile", "mobile ", "49x700", "500x", "500x70000", "-50x50", "500X700", "~~mobile", "500x700x1", "٥٠٠x٧٠٠"} {
		if got, ok := ParseDevice(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}
