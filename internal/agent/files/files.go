// Package files gives wsd the files of a workspace as tar archives, takes them so (see
// package tree), and tells which of them change while somebody wants to know. It may reach what the workspace's own user may, no more.
package files

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/wsctl/wsctl/internal/agentapi"
	"github.com/wsctl/wsctl/internal/tree"
)

// Register adds the paths of this package to mux.
func Register(mux *http.ServeMux) {
	mux.HandleFunc("GET "+agentapi.PathTree, get)
	mux.HandleFunc("PUT "+agentapi.PathTree, put)
	mux.HandleFunc("GET "+agentapi.PathWatch, watching{make(chan struct{}, maxWatchers)}.watch)
}

func get(w http.ResponseWriter, r *http.Request) {
	path, err := filepath.Abs(r.URL.Query().Get("path"))
	if err == nil {
		_, err = os.Lstat(path)
	}
	if err == nil {
		err = tree.Readable(path)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-tar")
	if err := tree.Pack(w, path, filepath.Base(path)); err != nil {
		panic(http.ErrAbortHandler) // a part must not be taken for the whole
	}
}

func put(w http.ResponseWriter, r *http.Request) {
	dir, err := filepath.Abs(r.URL.Query().Get("path"))
	if err == nil {
		err = tree.Unpack(r.Body, dir)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers with what is wrong, in one of the words of agentapi.Error.
func refuse(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "cannot_write"
	var bad *tree.ArchiveError
	switch {
	case errors.As(err, &bad), errors.Is(err, tree.ErrSpecial):
		status, code = http.StatusBadRequest, "bad_path"
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		status, code = http.StatusNotFound, "not_found"
	case errors.Is(err, fs.ErrPermission):
		status, code = http.StatusForbidden, "denied"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		status, code = http.StatusInsufficientStorage, "no_space"
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		status, code = http.StatusConflict, "exists"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(agentapi.Error{Code: code, Text: err.Error()})
}
