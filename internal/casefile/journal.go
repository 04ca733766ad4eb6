package casefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/salvor-project/salvor/internal/plan"
)

// Event is what a journal line records.
type Event string

// The events of a journal.
const (
	// EventBegan opens a run (the first, or a resume).
	EventBegan Event = "began"
	// EventStarted stands before a step's action.
	EventStarted Event = "started"
	// EventDone stands after it, with its result.
	EventDone Event = "done"
	// EventFailed stands after a step that did not succeed.
	EventFailed Event = "failed"
	// EventSkipped stands for a step that the run goes on without; the note
	// says why. A resume tries it again.
	EventSkipped Event = "skipped"
	// EventAccepted records what the operator agreed to.
	EventAccepted Event = "accepted"
	// EventEnded closes a run.
	EventEnded Event = "ended"
)

// Entry is one line of the journal.
type Entry struct {
	Seq   int64       `json:"seq"`
	At    time.Time   `json:"at"`
	Plan  string      `json:"plan"`
	Event Event       `json:"event"`
	Step  plan.StepID `json:"step,omitempty"`
	Host  string      `json:"host,omitempty"`
	// Found is true when a step's effect was already there.
	Found bool `json:"found,omitempty"`
	// Result is what the action reported.
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	// By is who began or accepted: user@machine.
	By   string `json:"by,omitempty"`
	Note string `json:"note,omitempty"`
}

// Journal appends to journal.jsonl; safe for parallel steps.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	seq  int64
	size int64
}

// OpenJournal opens a journal for appending. A last line that a crash cut off
// is removed: nothing acted on it, since a line is complete before its action.
func OpenJournal(path string) (*Journal, []Entry, error) {
	entries, size, err := readJournal(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open journal: %w", err)
	}
	if err := f.Truncate(size); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
	}
	j := &Journal{file: f, size: size}
	if n := len(entries); n > 0 {
		j.seq = entries[n-1].Seq
	}
	return j, entries, nil
}

// Append numbers the entry, writes it and waits until it is on disk. It gives
// the line as written, for the mirrors.
func (j *Journal) Append(e Entry) (Entry, []byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.seq + 1
	line, err := json.Marshal(e)
	if err != nil {
		return e, nil, fmt.Errorf("write journal: %w", err)
	}
	_, err = j.file.Write(append(line, '\n'))
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		// Half a line would spoil the next one: a full disk must not make the
		// journal unreadable.
		_, serr := j.file.Seek(j.size, io.SeekStart)
		return e, nil, errors.Join(fmt.Errorf("write journal: %w", err), j.file.Truncate(j.size), serr)
	}
	j.seq = e.Seq
	j.size += int64(len(line)) + 1
	return e, line, nil
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// ReadJournal reads all complete lines; a missing file is an empty journal.
func ReadJournal(path string) ([]Entry, error) {
	entries, _, err := readJournal(path)
	return entries, err
}

// ParseJournal reads the complete lines of a journal that was fetched.
func ParseJournal(b []byte) ([]Entry, error) {
	entries, _, err := parseJournal("the journal", b)
	return entries, err
}

// readJournal also gives the length of the complete lines.
func readJournal(path string) ([]Entry, int64, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read journal: %w", err)
	}
	return parseJournal(path, b)
}

func parseJournal(path string, b []byte) ([]Entry, int64, error) {
	var out []Entry
	var size int64
	for n := 1; ; n++ {
		i := bytes.IndexByte(b[size:], '\n')
		if i < 0 {
			return out, size, nil
		}
		var e Entry
		if err := json.Unmarshal(b[size:size+int64(i)], &e); err != nil {
			return nil, 0, fmt.Errorf("read journal: %s line %d: %w", path, n, err)
		}
		out = append(out, e)
		size += int64(i) + 1
	}
}
