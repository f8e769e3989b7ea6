package template

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wsctl/wsctl/internal/workspace"
)

// maxFileCount bounds how many files a template has.
const maxFileCount = 1000

// maxPath bounds one path, in bytes, and maxPathPart each of its parts (as ext4 does).
const (
	maxPath     = 1024
	maxPathPart = 255
)

// files collects those of the folder and those of the manifest, sorted by path.
func (r *reader) files(folder fs.FS) {
	byPath := map[string]workspace.File{}
	if folder != nil {
		list, err := readFolder(folder)
		if err != nil {
			r.refuse("/files", "files_unreadable", "cannot read the folder files: %v", err)
			return
		}
		for _, f := range list {
			byPath[f.Path], r.t.raw[f.Path] = f, true
		}
	}
	seen := map[string]bool{}
	for i, row := range r.m.Files {
		at := fmt.Sprintf("/files/%d", i)
		if problem := pathProblem(row.Path); problem != "" {
			r.refuse(at+"/path", "unsafe_path", "path %.80q %s", row.Path, problem)
			continue
		}
		if seen[row.Path] {
			r.refuse(at+"/path", "file_twice", "file %s is given twice", row.Path)
		}
		seen[row.Path] = true
		r.file(at, row, byPath)
	}
	if len(byPath) > maxFileCount {
		r.refuse("/files", "files_too_many", "there are %d files, at most %d are allowed", len(byPath), maxFileCount)
		return
	}
	for p, f := range byPath {
		for i := range p {
			if _, ok := byPath[p[:i]]; ok && p[i] == '/' {
				r.refuse("/files", "unsafe_path", "%s is both a file and the folder of %s", p[:i], p)
			}
		}
		r.t.spec.Files = append(r.t.spec.Files, f)
	}
	slices.SortFunc(r.t.spec.Files, func(a, b workspace.File) int { return strings.Compare(a.Path, b.Path) })
}

// file adds one row of the manifest to byPath.
func (r *reader) file(at string, row fileRow, byPath map[string]workspace.File) {
	f, inFolder := byPath[row.Path]
	f.Path = row.Path
	switch {
	case row.Content != nil && inFolder:
		r.refuse(at+"/content", "file_twice", "file %s is also in the folder files", row.Path)
		return
	case row.Content != nil:
		f.Content = *row.Content
	case !inFolder:
		r.refuse(at+"/content", "content_required", "file %s has no content and is not in the folder files", row.Path)
		return
	}
	if row.Mode != nil {
		f.Mode = *row.Mode
		if f.Mode == 0 || f.Mode > 0o777 {
			r.refuse(at+"/mode", "mode_invalid", "mode of %s must be 0o001 to 0o777: write permission bits with 0o before them", row.Path)
		}
	}
	verbatim := inFolder
	if row.Substitute != nil {
		verbatim = !*row.Substitute
	}
	r.t.raw[row.Path] = verbatim
	byPath[row.Path] = f
}

// pathProblem says why p may not be the path of a file, or nothing.
func pathProblem(p string) string {
	switch {
	case p == "" || p == ".":
		return "names no file"
	case strings.HasPrefix(p, "/"):
		return "must be relative to /workspace"
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 || c == utf8.RuneError || c == '\\' }):
		return "has a character that is not allowed"
	case !fs.ValidPath(p):
		return "must not have empty parts, . or .. in it"
	case len(p) > maxPath || slices.ContainsFunc(strings.Split(p, "/"), func(s string) bool { return len(s) > maxPathPart }):
		return "is too long"
	}
	return ""
}

// readFolder reads every file below folder, which must hold nothing but ordinary
// files and folders. It stops as soon as a bound is passed.
func readFolder(folder fs.FS) ([]workspace.File, error) {
	var list []workspace.File
	total := 0
	err := fs.WalkDir(folder, ".", func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p == "." {
			return fs.SkipAll
		}
		if err != nil || d.IsDir() {
			return err
		}
		if problem := pathProblem(p); problem != "" {
			return fmt.Errorf("%.80q %s", p, problem)
		}
		f, err := readOne(folder, p, d)
		if err != nil {
			return err
		}
		total += len(f.Path) + len(f.Content)
		if total > workspace.MaxFiles || len(list) >= maxFileCount {
			return fmt.Errorf("it has more than %d files or %d bytes", maxFileCount, workspace.MaxFiles)
		}
		list = append(list, f)
		return nil
	})
	return list, err
}

func readOne(folder fs.FS, p string, d fs.DirEntry) (workspace.File, error) {
	if !d.Type().IsRegular() {
		return workspace.File{}, fmt.Errorf("%s is not an ordinary file", p)
	}
	in, err := folder.Open(p)
	if err != nil {
		return workspace.File{}, fmt.Errorf("cannot open %s", p)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return workspace.File{}, fmt.Errorf("%s is not an ordinary file", p)
	}
	data, err := io.ReadAll(io.LimitReader(in, workspace.MaxFiles+1))
	switch {
	case err != nil:
		return workspace.File{}, fmt.Errorf("cannot read %s", p)
	case len(data) > workspace.MaxFiles:
		return workspace.File{}, fmt.Errorf("%s has more than %d bytes", p, workspace.MaxFiles)
	case !utf8.Valid(data):
		return workspace.File{}, fmt.Errorf("%s is not UTF-8 text", p)
	}
	f := workspace.File{Path: p, Content: string(data)}
	if info.Mode().Perm()&0o111 != 0 {
		f.Mode = 0o755
	}
	return f, nil
}
