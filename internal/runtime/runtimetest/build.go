package runtimetest

import (
	"context"
	"errors"

	"github.com/wsctl/wsctl/internal/runtime"
)

func buildCases() []row {
	return []row{
		{"an image that was built runs, and building it again changes nothing", checkBuild},
		{"a build that fails says so and yields no image", checkBuildFails},
		{"a build with an ended context does nothing", checkBuildCancelled},
	}
}

// builder returns the driver as a Builder; nil, with a line that says so, where it is none.
func (w *world) builder() runtime.Builder {
	w.Helper()
	b, ok := w.Driver.(runtime.Builder)
	if ok != (w.Build != nil) {
		w.Fatalf("the driver builds images: %t; the harness has one: %t", ok, w.Build != nil)
	}
	if !ok {
		w.Log("not checked: the driver builds no images")
		return nil
	}
	return b
}

func checkBuild(w *world) {
	b := w.builder()
	if b == nil {
		return
	}
	lines := 0
	first := w.Build()
	img, err := b.Build(w.ctx, first, func(string) { lines++ })
	w.must(err, "build")
	if img.Digest == "" || img.Ref != first.Ref || lines == 0 {
		w.Fatalf("got %+v and %d lines of output", img, lines)
	}
	second := w.Build()
	second.Ref = first.Ref
	again, err := b.Build(w.ctx, second, nil)
	w.must(err, "build again")
	if again != img {
		w.Errorf("got %+v, then %+v", img, again)
	}
	have, err := w.Driver.EnsureImage(w.ctx, first.Ref, nil)
	w.must(err, "find the image that was built")
	if have.Digest != img.Digest {
		w.Errorf("the name leads to %s, want %s", have.Digest, img.Digest)
	}
	c := w.container("built")
	c.Spec.Image, c.Spec.Digest = first.Ref, img.Digest
	w.made(c)
	w.must(w.Driver.Start(w.ctx, c.Ref), "start what was built")
	w.answers(c)
}

func checkBuildFails(w *world) {
	b := w.builder()
	if b == nil {
		return
	}
	img, err := b.Build(w.ctx, w.Broken(), func(string) {})
	if err == nil || img.Digest != "" {
		w.Errorf("got %+v, %v", img, err)
	}
	for _, wrong := range []error{runtime.ErrUnreachable, runtime.ErrNotFound} {
		if errors.Is(err, wrong) {
			w.Errorf("a failed build is told as %v", err)
		}
	}
}

func checkBuildCancelled(w *world) {
	b := w.builder()
	if b == nil {
		return
	}
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	_, err := b.Build(ctx, w.Build(), nil)
	w.mustBe(err, context.Canceled, "build with a context that has ended")
}
