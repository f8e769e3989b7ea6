package config

import "github.com/wsctl/wsctl/internal/workspace"

// ParseSize reads a number of bytes with a unit, as workspace.ParseSize does.
func ParseSize(s string) (int64, error) { return workspace.ParseSize(s) }

// FormatSize writes n bytes as people read them, rounded to four digits: 1.5GiB.
func FormatSize(n int64) string { return workspace.FormatSize(n) }
