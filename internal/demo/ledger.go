package demo

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// The operations that a ledger notes.
const (
	opTry  = "try"  // about to be sent to etcd: it may land or not
	opAck  = "ack"  // etcd has confirmed it
	opLost = "lost" // the writer itself found an older state than it had acknowledged
)

// line is one line of a ledger file.
type line struct {
	Op     string `json:"op"`
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
	// Revision is etcd's, for ack: of the write itself.
	Revision int64 `json:"revision,omitempty"`
	// Lost counts acknowledged writes, for lost.
	Lost int       `json:"lost,omitempty"`
	At   time.Time `json:"at"`
}

// ledger is a file of JSON lines to which writers append. A try is in the file
// before the write is sent; an ack is on the disk before its writer goes on.
// One goroutine syncs for all who wait.
type ledger struct {
	file *os.File

	mu      sync.Mutex
	changed *sync.Cond
	written int64 // lines
	synced  int64
	closed  bool
	err     error
	done    chan struct{}
}

func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &ledger{file: f, done: make(chan struct{})}
	l.changed = sync.NewCond(&l.mu)
	go l.sync()
	return l, nil
}

// try notes that a write is about to be sent.
func (l *ledger) try(key, sha string) error {
	_, err := l.append(line{Op: opTry, Key: key, SHA256: sha})
	return err
}

// ack notes a confirmed write and returns when the note is on the disk.
func (l *ledger) ack(key, sha string, revision int64) error {
	return l.durable(line{Op: opAck, Key: key, SHA256: sha, Revision: revision})
}

// lost notes that a key was found in an older state (sha) than acknowledged.
func (l *ledger) lost(key, sha string, count int) error {
	return l.durable(line{Op: opLost, Key: key, SHA256: sha, Lost: count})
}

func (l *ledger) durable(n line) error {
	number, err := l.append(n)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.synced < number && l.err == nil && !l.closed {
		l.changed.Wait()
	}
	if l.err == nil && l.synced < number {
		return errors.New("write ledger: it was closed")
	}
	return l.err
}

func (l *ledger) append(n line) (int64, error) {
	n.At = time.Now().UTC()
	b, err := json.Marshal(n)
	if err != nil {
		return 0, fmt.Errorf("write ledger: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if _, err := l.file.Write(append(b, '\n')); err != nil {
		l.err = fmt.Errorf("write ledger: %w", err)
		return 0, l.err
	}
	l.written++
	l.changed.Broadcast()
	return l.written, nil
}

func (l *ledger) sync() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed || l.synced < l.written {
		if l.synced == l.written {
			l.changed.Wait()
			continue
		}
		upTo := l.written
		l.mu.Unlock()
		err := l.file.Sync()
		l.mu.Lock()
		if err != nil {
			l.err = fmt.Errorf("sync ledger: %w", err)
			l.changed.Broadcast()
			return
		}
		l.synced = upTo
		l.changed.Broadcast()
	}
}

func (l *ledger) close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	<-l.done
	return errors.Join(l.err, l.file.Close())
}

// Record is what a ledger file says.
type Record struct {
	// Acknowledged counts the confirmed writes, MaxRevision is the highest
	// revision among them.
	Acknowledged int
	MaxRevision  int64
	// Lost counts the acknowledged writes that the writer itself found gone.
	Lost      int
	keys      map[string]*history
	revisions []int64
}

// ReadLedger reads a ledger file. A last line that is not complete was never
// acknowledged and is passed over.
func ReadLedger(path string) (Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return Record{}, fmt.Errorf("read ledger: %w", err)
	}
	defer f.Close()
	r := Record{keys: map[string]*history{}}
	in := bufio.NewReader(f)
	for number := 1; ; number++ {
		b, err := in.ReadBytes('\n')
		if err != nil {
			return r, nil // the end, with or without a torn line
		}
		var n line
		if err := json.Unmarshal(b, &n); err != nil {
			return r, fmt.Errorf("read ledger %s line %d: %w", path, number, err)
		}
		if err := r.take(n); err != nil {
			return r, fmt.Errorf("read ledger %s line %d: %w", path, number, err)
		}
	}
}

func (r *Record) take(n line) error {
	h := r.keys[n.Key]
	if h == nil {
		h = &history{}
		r.keys[n.Key] = h
	}
	switch n.Op {
	case opTry:
		h.try(n.SHA256)
	case opAck:
		if !h.ack(n.SHA256) {
			return fmt.Errorf("%s: an acknowledgement of a write that was not tried", n.Key)
		}
		r.Acknowledged++
		r.MaxRevision = max(r.MaxRevision, n.Revision)
		r.revisions = append(r.revisions, n.Revision)
	case opLost:
		r.Lost += n.Lost
		h.fallBack(n.SHA256)
	default:
		return fmt.Errorf("operation %q is not known", n.Op)
	}
	return nil
}

// AcknowledgedBetween counts the confirmed writes whose revision is above
// after and not above upTo: with a snapshot's revision and the last one before
// a disaster, what that snapshot lacks. Revisions start anew in a restored
// cluster, so give it bounds of one and the same history.
func (r Record) AcknowledgedBetween(after, upTo int64) int {
	n := 0
	for _, revision := range r.revisions {
		if revision > after && revision <= upTo {
			n++
		}
	}
	return n
}
