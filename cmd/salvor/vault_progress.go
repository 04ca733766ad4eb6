package main

import (
	"strings"
	"sync"

	"github.com/salvor-project/salvor/internal/backup"
)

// transfer shows on a terminal how many bytes of a snapshot have moved.
type transfer struct {
	show func(done, total int64)

	mu    sync.Mutex
	total int64
	done  int64
}

// fetchProgress prepares for showing a fetch; nothing is shown before expect.
func (a *app) fetchProgress() *transfer { return &transfer{show: a.bytesProgress("fetch")} }

// expect says what is to come.
func (t *transfer) expect(c backup.Candidate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total = c.Fetch
}

// moved is a vault's Progress.
func (t *transfer) moved(_, object string, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.show == nil || t.total == 0 || !strings.Contains(object, "/"+backup.SnapshotPart) {
		return
	}
	t.done = min(t.done+n, t.total)
	t.show(t.done, t.total)
}
