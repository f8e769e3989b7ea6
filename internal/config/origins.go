package config

import "slices"

// Source is the class of place a value came from, in rising precedence.
type Source string

// The sources.
const (
	FromDefault Source = "default"
	FromFile    Source = "file"
	FromEnv     Source = "env"
	FromFlag    Source = "flag"
)

// Origin tells of one key what it is, where that came from and what it may be.
type Origin struct {
	Key     string `json:"key"`
	Value   string `json:"value"`
	Source  Source `json:"source"`
	Where   string `json:"where,omitempty"` // FILE:LINE, the variable, or --flag; empty for a default
	Default string `json:"default"`
	Env     string `json:"env"`
	Allowed string `json:"allowed"`
	About   string `json:"about"`
}

// Origins is how a Config came about.
type Origins struct {
	File     string   `json:"file"`       // the file that was looked for; may be empty
	Found    bool     `json:"file_found"` // it was there and was read
	Keys     []Origin `json:"keys"`       // every key, in the order of the documents
	Warnings []string `json:"warnings,omitempty"`
}

// Explain returns the origin of key and whether there is such a key.
func (o Origins) Explain(key string) (Origin, bool) {
	i := slices.IndexFunc(o.Keys, func(k Origin) bool { return k.Key == key })
	if i < 0 {
		return Origin{}, false
	}
	return o.Keys[i], true
}
