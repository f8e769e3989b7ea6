package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// workspaceTag is the ETag of one workspace. The id is part of it because another
// workspace may take over the name and reach the same revision.
func workspaceTag(w workspace.Workspace) string {
	return `"` + w.ID + "." + strconv.FormatUint(w.Revision, 10) + `"`
}

// liveTag is the ETag of a workspace with how it is used: workspaceTag, and a part that
// changes with the use. If-Match looks at the revision alone, so that a change is not
// refused because somebody typed meanwhile.
func liveTag(l api.Live) (string, error) {
	tag := workspaceTag(l.Workspace)
	if l.Activity == nil {
		return tag, nil
	}
	b, err := json.Marshal(l.Activity)
	if err != nil {
		return "", fault.New(fault.Internal, "internal", "cannot encode the answer").WithCause(err)
	}
	sum := sha256.Sum256(b)
	return strings.TrimSuffix(tag, `"`) + "." + hex.EncodeToString(sum[:6]) + `"`, nil
}

// bodyTag is the ETag of an answer that has no revision: a hash of its bytes.
func bodyTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + hex.EncodeToString(sum[:16]) + `"`
}

// unchanged reports whether If-None-Match names tag (RFC 9110, 13.1.2; weak comparison).
func unchanged(r *http.Request, tag string) bool {
	for _, v := range tags(r, "If-None-Match") {
		if v == "*" || strings.TrimPrefix(v, "W/") == tag {
			return true
		}
	}
	return false
}

func tags(r *http.Request, name string) []string {
	var all []string
	for v := range strings.SplitSeq(strings.Join(r.Header.Values(name), ","), ",") {
		if v = strings.TrimSpace(v); v != "" {
			all = append(all, v)
		}
	}
	return all
}

// match is what If-Match asks for.
type match struct {
	id  string // "" : whichever workspace the path names
	rev uint64 // 0: any revision
}

// matchRE fits the tags that we give, with the id or (as in a workspace's revision
// member) without.
var matchRE = regexp.MustCompile(`^"(?:(w[a-z2-7]{12})\.)?([1-9][0-9]{0,19})(?:\.[0-9a-f]{12})?"$`)

// ifMatch reads If-Match. Without the header it is Precondition when required.
// A tag that we never give cannot match: Stale. Text that is no tag is Invalid.
func ifMatch(r *http.Request, required bool) (match, error) {
	all := tags(r, "If-Match")
	switch {
	case len(all) == 0 && required:
		return match{}, fault.New(fault.Precondition, "if_match_required", "a change needs the revision that it was made for").
			WithHint("send If-Match with the ETag of the last read, or * to overwrite whatever is there")
	case len(all) == 0:
		return match{}, nil
	case len(all) > 1:
		return match{}, fault.New(fault.Invalid, "if_match_invalid", "If-Match names %d tags, one is expected", len(all))
	case all[0] == "*":
		return match{}, nil
	}
	tag := all[0]
	if m := matchRE.FindStringSubmatch(tag); m != nil {
		if rev, err := strconv.ParseUint(m[2], 10, 64); err == nil {
			return match{m[1], rev}, nil
		}
	}
	bare := strings.TrimPrefix(tag, "W/")
	if len(bare) >= 2 && strings.HasPrefix(bare, `"`) && strings.HasSuffix(bare, `"`) {
		return match{}, errStale()
	}
	return match{}, fault.New(fault.Invalid, "if_match_invalid", "If-Match is not a quoted tag").
		WithHint(`write If-Match: "7" or If-Match: *`)
}

func errStale() error {
	return fault.New(fault.Stale, "revision_stale", "the workspace has changed since it was read").
		WithHint("read it again and repeat the change")
}
