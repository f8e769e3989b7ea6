package client

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Bounds of the cache: answers kept, and bytes of one answer.
const (
	cacheEntries = 128
	cacheBody    = 4 << 20
)

// etagCache asks again with If-None-Match and answers 304 from memory. Nothing is
// ever answered without asking wsd, so it cannot be out of date.
type etagCache struct {
	next http.RoundTripper

	mu      sync.Mutex
	entries map[string]cached
	order   []string // oldest first
}

type cached struct {
	etag, mediaType string
	body            []byte
}

func newETagCache(next http.RoundTripper) *etagCache {
	return &etagCache{next: next, entries: map[string]cached{}}
}

// RoundTrip implements http.RoundTripper.
func (c *etagCache) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet || req.Header.Get("If-None-Match") != "" {
		return c.next.RoundTrip(req)
	}
	key := req.URL.String()
	old, known := c.lookup(key)
	if known {
		req = req.Clone(req.Context())
		req.Header.Set("If-None-Match", old.etag)
	}
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if known && resp.StatusCode == http.StatusNotModified {
		_ = resp.Body.Close()
		return old.answer(resp), nil
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("ETag") == "" {
		return resp, nil
	}
	return c.keep(key, resp)
}

// answer makes the 200 that a 304 stands for, with the newer headers.
func (e cached) answer(resp *http.Response) *http.Response {
	full := *resp
	full.Status, full.StatusCode = "200 OK", http.StatusOK
	full.Header = resp.Header.Clone()
	full.Header.Set("Content-Type", e.mediaType)
	full.Header.Set("ETag", e.etag)
	full.Body = io.NopCloser(bytes.NewReader(e.body))
	full.ContentLength = int64(len(e.body))
	return &full
}

// keep reads the answer and stores it, unless it is too large.
func (c *etagCache) keep(key string, resp *http.Response) (*http.Response, error) {
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= cacheBody {
		buf.Grow(int(n) + bytes.MinRead) // no more is asked for while reading
	}
	_, err := buf.ReadFrom(io.LimitReader(resp.Body, cacheBody+1))
	head := buf.Bytes()
	if err != nil {
		_ = resp.Body.Close()
		return nil, err
	}
	if len(head) > cacheBody {
		resp.Body = &rejoined{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
		return resp, nil
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(head))
	c.store(key, cached{resp.Header.Get("ETag"), resp.Header.Get("Content-Type"), head})
	return resp, nil
}

type rejoined struct {
	io.Reader
	io.Closer
}

func (c *etagCache) lookup(key string) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	return e, ok
}

func (c *etagCache) store(key string, e cached) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[key]; !ok {
		if len(c.order) >= cacheEntries {
			delete(c.entries, c.order[0])
			c.order = c.order[1:]
		}
		c.order = append(c.order, key)
	}
	c.entries[key] = e
}
