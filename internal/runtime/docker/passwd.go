package docker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/runtime"
)

// passwdPath is where programs look for the names of users.
const passwdPath = "/etc/passwd"

// passwd makes the files that give a workspace's user a name: OpenSSH, whoami and node's
// os.userInfo refuse to work for a number that /etc/passwd does not have. A file is the
// image's own with one more line, lies in a folder that workspaces cannot write to, and is
// mounted read-only. It is named for its image and user, so workspaces share it, and the
// few there are stay until wsd's state goes.
type passwd struct {
	dir string // "": no user gets a name
}

// file returns the file for who in an image; "" where the image needs none. read returns
// the image's own text and is called once for each image.
func (p passwd) file(image string, who identity, read func() ([]byte, error)) (string, error) {
	id, ok := imageKey(image)
	if p.dir == "" || who.uid == 0 || !ok {
		return "", nil
	}
	made := filepath.Join(p.dir, fmt.Sprintf("%s-%d-%d", id, who.uid, who.gid))
	if _, err := os.Lstat(made); err == nil {
		return made, nil
	}
	text, err := p.ofImage(filepath.Join(p.dir, id), read)
	if err != nil || len(text) == 0 || hasUser(text, who.uid) {
		return "", err
	}
	return made, p.write(made, withUser(text, who))
}

// ofImage is the text of an image's own file, from our copy where there is one. An image
// without a file that can be used has an empty one.
func (p passwd) ofImage(copied string, read func() ([]byte, error)) ([]byte, error) {
	text, err := os.ReadFile(copied)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = read(); fault.HasCode(err, "user_unknown") {
		text, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	return text, p.write(copied, text)
}

// write makes a file that everybody may read, in one step.
func (p passwd) write(name string, text []byte) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("cannot make the folder of users: %w", err)
	}
	f, err := os.CreateTemp(p.dir, ".new-*")
	if err != nil {
		return fmt.Errorf("cannot name the user of a workspace: %w", err)
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("cannot name the user of a workspace: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// imageKey is the part of an image's id that is used in names of files.
func imageKey(id string) (string, bool) {
	hex, ok := strings.CutPrefix(id, "sha256:")
	ok = ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
	return hex[:min(len(hex), 32)], ok
}

// hasUser reports whether the text of a passwd file has a line for uid.
func hasUser(text []byte, uid int) bool {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if f := strings.Split(lines.Text(), ":"); len(f) > 2 && f[2] == fmt.Sprint(uid) {
			return true
		}
	}
	return lines.Err() != nil // beyond a line so long nothing is known
}

// withUser adds a line for who.
func withUser(text []byte, who identity) []byte {
	name := "workspace"
	if _, taken := findUser(text, name); taken {
		name = fmt.Sprintf("workspace-%d", who.uid)
	}
	out := bytes.Clone(text)
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return fmt.Appendf(out, "%s:x:%d:%d::%s:/bin/sh\n", name, who.uid, who.gid, workspaceDir)
}

// nameUser is the file that gives the processes of c a name.
func (d *Driver) nameUser(ctx context.Context, c runtime.Container, img imageFacts, who identity) (string, error) {
	if img.own { // it has a line for each slot
		return "", nil
	}
	return d.passwd.file(img.id, who, func() ([]byte, error) { return d.imageFile(ctx, c, img, passwdPath) })
}
