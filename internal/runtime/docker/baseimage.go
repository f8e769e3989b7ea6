package docker

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"
)

// slotsInPasswd is how many slots have an entry in /etc/passwd of wsd:base. A
// higher slot works too, without a name for its uid.
const slotsInPasswd = 1024

// madeImage is an image that wsd makes itself, in the form that `docker load`
// reads (Docker Image Specification 1.2). The same input gives the same bytes.
type madeImage struct {
	tag     string // wsd:NAME-HASH, so that a newer one stands beside an older one
	content string // the whole hash
	archive []byte
}

// maker is what images of our own are made for. Those of one instance are its own: removing them
// takes nothing from another. The engine keeps equal layers once.
type maker struct{ arch, instance string }

// entry is one file of an image.
type entry struct {
	name string
	mode int64
	link string // symbolic link to
	data []byte
	dir  bool
}

// baseImage is wsd:base: folders, users and the commands that the agent plays.
func baseImage(m maker, applets []string) (madeImage, error) {
	return m.image("base", baseConfig(), baseFiles(applets, nil))
}

// buildBase is wsd:base for Dockerfiles: it has the agent's program too.
func buildBase(m maker, applets []string, agent []byte) (madeImage, error) {
	return m.image("build", baseConfig(), baseFiles(applets, agent))
}

func baseConfig() map[string]any {
	return map[string]any{"Env": []string{"PATH=/bin:/usr/bin"}, "WorkingDir": "/workspace"}
}

func baseFiles(applets []string, agent []byte) []entry {
	var passwd, group bytes.Buffer
	fmt.Fprintf(&passwd, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
	fmt.Fprintf(&group, "root:x:0:\nnobody:x:65534:\n")
	for i := range slotsInPasswd {
		fmt.Fprintf(&passwd, "workspace:x:%d:%d::/workspace:/bin/sh\n", firstUID+i, firstUID+i)
		fmt.Fprintf(&group, "workspace:x:%d:\n", firstUID+i)
	}
	files := []entry{
		{name: "bin", dir: true, mode: 0o755},
		{name: "usr", dir: true, mode: 0o755},
		{name: "usr/bin", dir: true, mode: 0o755},
		{name: "etc", dir: true, mode: 0o755},
		{name: "etc/passwd", mode: 0o644, data: passwd.Bytes()},
		{name: "etc/group", mode: 0o644, data: group.Bytes()},
		{name: "etc/nsswitch.conf", mode: 0o644, data: []byte("hosts: files dns\n")},
		{name: "etc/os-release", mode: 0o644, data: []byte("NAME=\"wsd base\"\nID=wsd\nPRETTY_NAME=\"wsd base image\"\n")},
		{name: "home", dir: true, mode: 0o755},
		{name: "root", dir: true, mode: 0o700},
		{name: "run", dir: true, mode: 0o755},
		{name: "tmp", dir: true, mode: 0o1777},
		{name: "workspace", dir: true, mode: 0o1777},
		{name: "opt", dir: true, mode: 0o755},
		{name: "opt/wsd", dir: true, mode: 0o755},
		{name: strings.TrimPrefix(agentPath, "/"), mode: 0o755, data: agent}, // mount point
	}
	for _, a := range applets {
		if path.Base(a) == a && a != "." && a != ".." { // a shell's words are not all names of files
			files = append(files, entry{name: "bin/" + a, link: agentPath, mode: 0o777})
		}
	}
	return files
}

// pauseImage is wsd:pause: the sandbox program and nothing else.
func pauseImage(m maker) (madeImage, error) {
	prog, err := pauseProgram(m.arch)
	if err != nil {
		return madeImage{}, err
	}
	return m.image("pause", map[string]any{"Entrypoint": []string{"/pause"}, "User": "65534:65534"},
		[]entry{{name: "pause", mode: 0o755, data: prog}})
}

func (m maker) image(name string, config map[string]any, files []entry) (madeImage, error) {
	layer, err := tarOf(files)
	if err != nil {
		return madeImage{}, err
	}
	diff := digest(layer)
	seed, err := json.Marshal([]any{m.arch, config, diff, m.instance})
	if err != nil {
		return madeImage{}, err
	}
	content := digest(seed)
	tag := "wsd:" + name + "-" + content[:12]
	config["Labels"] = map[string]string{labelInstance: m.instance, labelRole: roleBase, labelName: tag, labelContent: content}
	cfg, err := json.Marshal(map[string]any{
		"architecture": m.arch, "os": "linux", "created": imageTime.Format(time.RFC3339), "config": config,
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + diff}},
		"history": []any{map[string]any{"created": imageTime.Format(time.RFC3339), "created_by": "wsd"}},
	})
	if err != nil {
		return madeImage{}, err
	}
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": digest(cfg) + ".json", "RepoTags": []string{tag}, "Layers": []string{diff + "/layer.tar"},
	}})
	if err != nil {
		return madeImage{}, err
	}
	archive, err := tarOf([]entry{
		{name: digest(cfg) + ".json", mode: 0o644, data: cfg},
		{name: diff, dir: true, mode: 0o755},
		{name: diff + "/layer.tar", mode: 0o644, data: layer},
		{name: "manifest.json", mode: 0o644, data: manifest},
	})
	return madeImage{tag: tag, content: content, archive: archive}, err
}

// imageTime is the time of all files and images that wsd makes: fixed, so that the
// same content has the same id everywhere.
var imageTime = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func tarOf(files []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: imageTime, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		switch {
		case f.dir:
			h.Typeflag, h.Name = tar.TypeDir, f.name+"/"
		case f.link != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("cannot pack %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("cannot pack %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("cannot pack an image: %w", err)
	}
	return b.Bytes(), nil
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
