package pid1

import (
	"os"
	"path/filepath"
	"time"
)

// Where --await is given the command begins when wsd has prepared the workspace: its
// files are there, its secrets too and its hooks have run. A container that was prepared
// once and is started by somebody else, while wsd does not run, must not wait for ever:
// begunFile, beside the socket, remembers it, and unaskedAfter is how long wsd has then.
const (
	begunFile    = "begun"
	unaskedAfter = 10 * time.Second
)

// told is called when wsd says that the command may begin.
func (in *initProcess) told() {
	select {
	case in.begin <- struct{}{}:
	default: // it was said before
	}
}

// unasked is when the command begins without a word of wsd; nil is never.
func (in *initProcess) unasked() <-chan time.Time {
	if _, err := os.Stat(in.begunPath()); err != nil || len(in.command) == 0 {
		return nil
	}
	return time.After(unaskedAfter)
}

func (in *initProcess) begunPath() string { return filepath.Join(filepath.Dir(in.socket), begunFile) }

// first notes the first start of the command.
func (in *initProcess) first() {
	if in.begun || !in.await {
		return
	}
	in.begun = true
	in.work()                                                                              // the folder may have come with the files
	if f, err := os.OpenFile(in.begunPath(), os.O_WRONLY|os.O_CREATE, 0o600); err == nil { // without it the next start only waits
		_ = f.Close()
	}
}
