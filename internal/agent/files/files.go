// Package files gives wsd the files of a workspace.
package files

import "net/http"

// Register adds the paths of files to mux.
func Register(*http.ServeMux, string) {}
