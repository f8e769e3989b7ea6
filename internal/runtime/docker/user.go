package docker

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
	"github.com/wsctl/wsctl/internal/workspace"
)

// firstUID is the uid and gid of slot 0. Each slot has its own, because the
// kernel counts inotify instances and processes by uid across containers.
const firstUID = 20000

// maxID is the greatest uid and gid that all parts of an engine can count to.
const maxID = 1<<31 - 1

// identity is whose processes the workspace's are.
type identity struct{ uid, gid int }

func (i identity) String() string { return fmt.Sprintf("%d:%d", i.uid, i.gid) }

// root reports whether any part of i is the superuser's.
func (i identity) root() bool { return i.uid == 0 || i.gid == 0 }

// slotIdentity is who a workspace is that asks for nobody.
func slotIdentity(c runtime.Container) identity {
	if c.Spec.Profile == workspace.Admin {
		return identity{}
	}
	id := firstUID + max(0, c.Slot) // never root, whatever the slot
	return identity{id, id}
}

// userName is what an image may call a user: as shadow's own rule, which is stricter than
// what the engine would take.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// parseIDs reads UID or UID:GID. Without a gid it is the uid's number.
func parseIDs(text string) (identity, error) {
	u, g, both := strings.Cut(text, ":")
	if !both {
		g = u
	}
	uid, uerr := strconv.ParseUint(u, 10, 32)
	gid, gerr := strconv.ParseUint(g, 10, 32)
	if uerr != nil || gerr != nil || uid > maxID || gid > maxID {
		return identity{}, fault.New(fault.Invalid, "user_invalid", "%.60q is not a user: give UID:GID or a user name of the image", text)
	}
	return identity{int(uid), int(gid)}, nil
}

// identity finds out who the processes of c are. A name is looked up in the image once,
// and the container gets the numbers: what the workspace writes into its own passwd later
// changes nothing.
func (d *Driver) identity(ctx context.Context, c runtime.Container, img imageFacts) (identity, error) {
	name := c.Spec.User
	switch {
	case name == "":
		return slotIdentity(c), nil
	case name == "root":
		return identity{}, nil
	case !userName.MatchString(name):
		return parseIDs(name)
	}
	key := img.id + " " + name
	if known, ok := d.users.get(key); ok {
		return known, nil
	}
	text, err := d.imageFile(ctx, c, img, passwdPath)
	if err != nil {
		return identity{}, err
	}
	who, ok := findUser(text, name)
	if !ok {
		return identity{}, fault.New(fault.Invalid, "user_unknown", "the image has no user %s", name).
			WithHint("give UID:GID, or a name from the image's /etc/passwd")
	}
	d.users.set(key, who)
	return who, nil
}

// findUser looks for a name in the text of a passwd file.
func findUser(passwd []byte, name string) (identity, bool) {
	lines := bufio.NewScanner(bytes.NewReader(passwd))
	for lines.Scan() {
		f := strings.Split(lines.Text(), ":")
		if len(f) < 4 || f[0] != name {
			continue
		}
		who, err := parseIDs(f[2] + ":" + f[3])
		return who, err == nil
	}
	return identity{}, false
}

// maxPasswd bounds what is read of an image's file, in bytes.
const maxPasswd = 1 << 20

// imageFile reads a file of an image, by a container that is never started.
func (d *Driver) imageFile(ctx context.Context, c runtime.Container, img imageFacts, name string) ([]byte, error) {
	id, err := d.makeWriter(ctx, c, img.id, nil)
	if err != nil {
		return nil, err
	}
	defer d.undoWriter(ctx, id)
	b, err := call(ctx, d.link, slow, "read "+name+" of the image", func(ctx context.Context, s *session) ([]byte, error) {
		body, _, err := s.CopyFromContainer(ctx, id, name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = body.Close() }()
		return firstFile(io.LimitReader(body, maxPasswd), path.Base(name))
	})
	if errors.Is(err, runtime.ErrNotFound) { // for callers of Ensure that would mean a lost container
		err = fault.New(fault.Invalid, "user_unknown", "the image has no %s", name).WithHint("give UID:GID")
	}
	return b, err
}

// firstFile returns the content of the first entry of a tar, where that is a plain file.
func firstFile(r io.Reader, name string) ([]byte, error) {
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil {
		return nil, err
	}
	if h.Typeflag != tar.TypeReg {
		return nil, fault.New(fault.Invalid, "user_unknown", "the image's %s is not a plain file", name)
	}
	b, err := io.ReadAll(t)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault.New(fault.Invalid, "user_unknown", "the image's %s is too long", name)
	}
	return b, err
}

// makeWriter makes a container that holds an image, or a volume, and is never started. A
// lost reply leaves one that Remove finds by its labels.
func (d *Driver) makeWriter(ctx context.Context, c runtime.Container, image string, change func(*container.HostConfig)) (string, error) {
	res, err := call(ctx, d.link, slow, "create a container that only holds files", func(ctx context.Context, s *session) (container.CreateResponse, error) {
		cfg := &container.Config{Image: image, Entrypoint: []string{agentPath}, Labels: map[string]string{
			labelInstance: d.cfg.Instance, labelRole: roleWriter, labelWorkspace: c.Workspace,
		}}
		host := hardened(cgroupns(s))
		host.NetworkMode = "none"
		if change != nil {
			change(host)
		}
		return s.ContainerCreate(ctx, cfg, host, nil, nil, "")
	})
	return res.ID, err
}

// undoWriter removes it, also when ctx has ended.
func (d *Driver) undoWriter(ctx context.Context, id string) {
	undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupBudget)
	defer cancel()
	if err := d.removeContainer(undo, id); err != nil {
		d.log.Warn("cannot remove a container that only held files", "err", err)
	}
}
