package runtimetest

import (
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

func fileCases() []row {
	return []row{
		{"first files are there, with their folders", checkFirstFiles},
		{"what a workspace writes survives a stop", checkFilesSurvive},
		{"a later generation keeps the files and gets no first ones", checkGeneration},
		{"a container removed by hand is made again with its files", checkRemovedByHand},
	}
}

func fileNamed(path, content string) []workspace.File {
	return []workspace.File{{Path: path, Content: content}}
}

// contains fails the test unless the file has this content, seen from inside.
func (w *world) contains(r runtime.Ref, path, want string) {
	w.Helper()
	out, errOut, code := w.output(r, "cat", path)
	if code != 0 || out != want {
		w.Errorf("%s holds %q (status %d, %s), want %q", path, out, code, errOut, want)
	}
}

func checkFirstFiles(w *world) {
	c := w.container("first")
	text := "two lines\nand ünïcode, no newline at the end"
	c.Spec.Files = append(fileNamed("a/b/c.txt", text), fileNamed("top", "t")...)
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.contains(c.Ref, "/workspace/a/b/c.txt", text)
	w.contains(c.Ref, "top", "t")
}

func checkFilesSurvive(w *world) {
	c := w.running("survive")
	if _, errOut, code := w.output(c.Ref, shell("echo kept > note")...); code != 0 {
		w.Fatalf("cannot write: status %d, %s", code, errOut)
	}
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.contains(c.Ref, "/workspace/note", "kept\n")
}

func checkGeneration(w *world) {
	c := w.container("generation")
	c.Spec.Files = fileNamed("origin", "one")
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.output(c.Ref, shell("echo changed > origin")...)
	w.must(w.Driver.Stop(w.ctx, c.Ref, 0), "stop")

	c.Generation, c.Origin = c.Generation+1, false
	c.Spec.Files = fileNamed("origin", "two")
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start the later generation")
	w.contains(c.Ref, "origin", "changed\n")
}

func checkRemovedByHand(w *world) {
	if w.RemoveByHand == nil {
		w.Skip("the harness cannot remove by hand")
	}
	c := w.container("byhand")
	c.Spec.Files = fileNamed("origin", "one")
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start")
	w.RemoveByHand(c.Ref)
	_, err := w.Driver.Inspect(w.ctx, c.Ref)
	w.mustBe(err, runtime.ErrNotFound, "inspect what was removed by hand")
	if n := len(w.listed(w.Driver, c.Workspace)); n != 0 {
		w.Errorf("the list still has %d containers of it", n)
	}
	c.Origin = false
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start it again")
	w.contains(c.Ref, "origin", "one")
}
