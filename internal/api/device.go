package api

import (
	"regexp"
	"strconv"
	"strings"
)

// Device is a screen in whose size the preview page shows a workspace. Width and Height are
// what a page gets of it, in CSS pixels, upright: bars of the browser are taken off.
type Device struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// Devices are those that the preview page knows by name. Their sizes are those of
// Playwright's descriptors (1.65), the last one apart.
func Devices() []Device {
	return []Device{
		{"mobile-s", "iPhone SE", 375, 667},
		{"mobile", "iPhone 15", 393, 659},
		{"mobile-new", "iPhone 17", 402, 681},
		{"mobile-l", "iPhone 17 Pro Max", 440, 763},
		{"android", "Pixel 8", 412, 839},
		{"android-s", "Galaxy S24", 360, 780},
		{"fold", "Galaxy Z Fold 7", 984, 1016},
		{"tablet-s", "iPad Mini", 768, 1024},
		{"tablet", "iPad Pro 11", 834, 1194},
		{"tablet-android", "Galaxy Tab S9", 640, 1024},
		{"desktop", "Desktop", 1280, 720},
		{"desktop-l", "Large desktop", 1920, 1080},
	}
}

// MaxDevices is how many of them the address of a preview page may name.
const MaxDevices = 6

// minDevice is the least side of a device that has no name, in CSS pixels; the most has four digits.
const minDevice = 50

var sized = regexp.MustCompile(`^([0-9]{2,4})x([0-9]{2,4})$`)

// ParseDevice reads a device as the preview page's address names it: the id of one of
// Devices, or WIDTHxHEIGHT, either with ~ before it for a device on its side.
func ParseDevice(text string) (Device, bool) {
	plain, rotated := strings.CutPrefix(text, "~")
	d, ok := deviceOf(plain)
	if rotated {
		d.Width, d.Height = d.Height, d.Width
	}
	return d, ok
}

func deviceOf(text string) (Device, bool) {
	for _, d := range Devices() {
		if d.ID == text {
			return d, true
		}
	}
	m := sized.FindStringSubmatch(text)
	if m == nil {
		return Device{}, false
	}
	width, _ := strconv.Atoi(m[1]) // two to four digits
	height, _ := strconv.Atoi(m[2])
	if width < minDevice || height < minDevice {
		return Device{}, false
	}
	return Device{ID: text, Name: "Custom", Width: width, Height: height}, true
}
