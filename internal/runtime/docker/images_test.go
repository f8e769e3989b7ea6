package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

func TestImagesOfOurOwnAreTheSameEveryTime(t *testing.T) {
	amd := maker{arch: "amd64", instance: "one"}
	a, err := baseImage(amd, DefaultApplets())
	if err != nil {
		t.Fatal(err)
	}
	b, err := baseImage(amd, DefaultApplets())
	if err != nil || a.tag != b.tag || !bytes.Equal(a.archive, b.archive) {
		t.Errorf("two builds differ: %s and %s, %v", a.tag, b.tag, err)
	}
	for name, other := range map[string]func() (madeImage, error){
		"another architecture": func() (madeImage, error) { return baseImage(maker{"arm64", "one"}, DefaultApplets()) },
		"another instance":     func() (madeImage, error) { return baseImage(maker{"amd64", "two"}, DefaultApplets()) },
		"other applets":        func() (madeImage, error) { return baseImage(amd, []string{"sh"}) },
	} {
		if m, err := other(); err != nil || m.tag == a.tag || !strings.HasPrefix(m.tag, "wsd:base-") {
			t.Errorf("%s: %s, %v", name, m.tag, err)
		}
	}
	if _, err := pauseImage(maker{arch: "vax"}); err == nil {
		t.Error("an engine of an unknown architecture gets an image")
	}
}

func TestTheBaseImageHoldsWhatAWorkspaceNeeds(t *testing.T) {
	m, err := baseImage(maker{arch: "amd64"}, []string{"sh", ".", "..", "a/b", "["})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*tar.Header{}
	outer := tar.NewReader(bytes.NewReader(m.archive))
	for {
		h, err := outer.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/layer.tar") {
			continue
		}
		for layer := tar.NewReader(outer); ; {
			h, err := layer.Next()
			if err != nil {
				break
			}
			got[h.Name] = h
		}
	}
	for name, mode := range map[string]int64{"workspace/": 0o1777, "tmp/": 0o1777, "etc/passwd": 0o644, "opt/wsd/agent": 0o755} {
		if h := got[name]; h == nil || h.Mode != mode {
			t.Errorf("%s is %+v, want mode %o", name, h, mode)
		}
	}
	for _, link := range []string{"bin/sh", "bin/["} {
		if h := got[link]; h == nil || h.Typeflag != tar.TypeSymlink || h.Linkname != agentPath {
			t.Errorf("%s is %+v", link, h)
		}
	}
	for _, none := range []string{"bin/.", "bin/..", "bin/b", "bin/a/b"} {
		if got[none] != nil {
			t.Errorf("%s is in the image", none)
		}
	}
}

func TestAnUnknownImageOfOurOwnIsNotFound(t *testing.T) {
	d := newDriver(t)
	_, err := d.EnsureImage(t.Context(), "wsd:nothing", nil)
	if !hasCode(err, "image_not_found") || errors.Is(err, runtime.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// registry serves one image under /v2/some/image, and refuses /v2/secret.
func registry(t *testing.T) (host string) {
	t.Helper()
	noise := make([]byte, 3<<20) // large enough for progress
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	layer, err := tarOf([]entry{{name: "noise", mode: 0o644, data: noise}})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(layer)
	_ = z.Close()
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","config":{"Entrypoint":["/serve"],"Cmd":["--fast"],"WorkingDir":"/srv"},`+
		`"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created_by":"test"}]}`, digest(layer))
	part := func(kind string, b []byte) map[string]any {
		return map[string]any{"mediaType": "application/vnd.docker." + kind, "size": len(b), "digest": "sha256:" + digest(b)}
	}
	const manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": part("container.image.v1+json", config), "layers": []any{part("image.rootfs.diff.tar.gzip", packed.Bytes())},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/v2/":
		case strings.HasPrefix(path, "/v2/secret/"):
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`)
		case strings.HasPrefix(path, "/v2/some/image/manifests/") && !strings.HasSuffix(path, "/missing"):
			w.Header().Set("Content-Type", manifestType)
			w.Header().Set("Docker-Content-Digest", "sha256:"+digest(manifest))
			_, _ = w.Write(manifest)
		case strings.HasSuffix(path, digest(config)):
			_, _ = w.Write(config)
		case strings.HasSuffix(path, digest(packed.Bytes())):
			w.Header().Set("Content-Length", itoa(packed.Len()))
			_, _ = w.Write(packed.Bytes())
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}`)
		}
	}))
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func TestAnImageIsPulledWithProgress(t *testing.T) {
	d := newDriver(t)
	e, ref := engine(t), registry(t)+"/some/image:1"
	t.Cleanup(func() {
		_, _ = e.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true})
	})
	var seen []runtime.Progress
	first, err := d.EnsureImage(t.Context(), ref, func(p runtime.Progress) { seen = append(seen, p) })
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) == 0 || seen[0].Stage != "pull" || seen[len(seen)-1].Total < 3<<20 {
		t.Errorf("progress %+v", seen)
	}
	again, err := d.EnsureImage(t.Context(), ref, func(p runtime.Progress) { t.Errorf("pulled again: %+v", p) })
	if err != nil || again != first || !strings.HasPrefix(first.Digest, "sha256:") {
		t.Errorf("got %+v, then %+v, %v", first, again, err)
	}
	f, err := d.inspectImage(t.Context(), first.Digest)
	if err != nil || !slices.Equal(f.command, []string{"/serve", "--fast"}) || f.dir != "/srv" {
		t.Errorf("its command is %+v, %v", f, err)
	}
}

func TestAFailedPullSaysWhy(t *testing.T) {
	d := newDriver(t)
	host := registry(t)
	for ref, want := range map[string]struct {
		kind fault.Kind
		code string
	}{
		host + "/some/image:missing": {fault.NotFound, "image_not_found"},
		host + "/other/image:1":      {fault.NotFound, "image_not_found"},
		host + "/secret/image:1":     {fault.Denied, "image_denied"},
		"127.0.0.1:1/some/image:1":   {fault.Unavailable, "registry_unreachable"},
	} {
		_, err := d.EnsureImage(t.Context(), ref, nil)
		if !fault.Is(err, want.kind) || !hasCode(err, want.code) {
			t.Errorf("%s: %v, want %s", ref, err, want.code)
		}
		if errors.Is(err, runtime.ErrUnreachable) || errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("%s: a registry's failure is told as the engine's: %v", ref, err)
		}
	}
}
