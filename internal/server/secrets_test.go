package server

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wsctl/wsctl/internal/api"
	"github.com/wsctl/wsctl/internal/fault"
	"github.com/wsctl/wsctl/internal/workspace"
)

// fakeSecrets keeps values in memory, by owner and name.
type fakeSecrets struct {
	secretsMu sync.Mutex
	values    map[string][]byte
}

func (f *fakeSecrets) Secrets(_ context.Context, a workspace.Actor) ([]api.Secret, error) {
	f.secretsMu.Lock()
	defer f.secretsMu.Unlock()
	list := []api.Secret{}
	for _, key := range slices.Sorted(maps.Keys(f.values)) {
		if name, ok := strings.CutPrefix(key, a.ID+" "); ok {
			list = append(list, api.Secret{Name: name, Owner: a.ID, Size: len(f.values[key]), ChangedAt: epoch})
		}
	}
	return list, nil
}

func (f *fakeSecrets) SetSecret(_ context.Context, a workspace.Actor, name string, value []byte) (api.Secret, error) {
	f.secretsMu.Lock()
	defer f.secretsMu.Unlock()
	if f.values == nil {
		f.values = map[string][]byte{}
	}
	f.values[a.ID+" "+name] = value
	return api.Secret{Name: name, Owner: a.ID, Size: len(value), ChangedAt: epoch}, nil
}

func (f *fakeSecrets) DeleteSecret(_ context.Context, a workspace.Actor, name string) error {
	f.secretsMu.Lock()
	defer f.secretsMu.Unlock()
	if _, ok := f.values[a.ID+" "+name]; !ok {
		return fault.New(fault.NotFound, "secret_not_found", "there is no secret %q", name)
	}
	delete(f.values, a.ID+" "+name)
	return nil
}

func TestSecretsAreSetListedAndForgotten(t *testing.T) {
	r := newRig(t, alice)
	const octets = "Content-Type: application/octet-stream"
	value := "a\x00b\xffvalue"
	a := r.do("PUT", "/v1/secrets/TOKEN", value, octets)
	if a.status != 200 || strings.Contains(string(a.body), "value") || !strings.Contains(string(a.body), `"size":9`) {
		t.Errorf("set: %d %s", a.status, a.body)
	}
	if got := r.fake.values["uid:1000 TOKEN"]; string(got) != value {
		t.Errorf("the backend got %q", got)
	}
	if a := r.do("GET", "/v1/secrets", ""); a.status != 200 || !strings.Contains(string(a.body), `"name":"TOKEN"`) || strings.Contains(string(a.body), "value") {
		t.Errorf("list: %d %s", a.status, a.body)
	}
	for _, bad := range []struct {
		path, body, code string
		status           int
	}{
		{"/v1/secrets/0x", "v", "secret_name_invalid", 400},
		{"/v1/secrets/" + strings.Repeat("a", 65), "v", "secret_name_invalid", 400},
		{"/v1/secrets/BIG", strings.Repeat("v", workspace.MaxSecret+1), "secret_too_large", 413},
		{"/v1/secrets/BIG", strings.Repeat("v", 2*workspace.MaxSecret), "secret_too_large", 413},
	} {
		if a := r.do("PUT", bad.path, bad.body, octets); a.status != bad.status || a.problem.Code != bad.code {
			t.Errorf("%s: %d %s", bad.path, a.status, a.body)
		}
	}
	if a := r.do("PUT", "/v1/secrets/MAX", strings.Repeat("v", workspace.MaxSecret), octets); a.status != 200 {
		t.Errorf("the largest: %d %s", a.status, a.body)
	}
	if a := r.do("DELETE", "/v1/secrets/TOKEN", ""); a.status != 204 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	if a := r.do("DELETE", "/v1/secrets/TOKEN", ""); a.status != 404 {
		t.Errorf("delete again: %d %s", a.status, a.body)
	}
	if strings.Contains(r.log.String(), "value") {
		t.Error("the log has a value")
	}
}
