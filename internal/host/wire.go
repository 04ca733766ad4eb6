package host

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// maxMessage is the largest JSON-RPC message, in bytes. Larger things travel
// as bulk data.
const maxMessage = 64 << 20

// lines is a jrpc2 channel.Channel of one JSON value a line. Unlike the
// framings of jrpc2 it bounds what it reads, and names what the other side
// says when that is not the protocol: a login shell's greeting, for instance.
type lines struct {
	r      *bufio.Reader
	w      io.Writer
	closed atomic.Bool
	// take may keep a message for itself, in the order of arrival; jrpc2's
	// client hands notifications out in any order.
	take func([]byte) bool
}

func newLines(r io.Reader, w io.Writer) *lines {
	return &lines{r: bufio.NewReaderSize(r, 64<<10), w: w}
}

// Send writes one message.
func (l *lines) Send(msg []byte) error {
	if l.closed.Load() {
		return fmt.Errorf("%w: %w", errWrite, io.ErrClosedPipe)
	}
	if len(msg) > maxMessage {
		return fmt.Errorf("send a message of %d bytes: the limit is %d", len(msg), maxMessage)
	}
	if _, err := l.w.Write(append(msg, '\n')); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// errWrite says that a message could not be written, or only in part: the
// connection cannot be used any more.
var errWrite = errors.New("write a message")

// Recv reads the next message that take leaves.
func (l *lines) Recv() ([]byte, error) {
	for {
		line, err := l.readLine()
		if err != nil {
			return nil, err
		}
		if len(line) == 0 || (line[0] != '{' && line[0] != '[') {
			return nil, fmt.Errorf("read a message: the other side said %.80q, which is not the protocol of salvor: something else writes to its standard output", line)
		}
		if l.take == nil || !l.take(line) {
			return line, nil
		}
	}
}

func (l *lines) readLine() ([]byte, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line[:len(line)-1], nil
		case len(line) > maxMessage:
			return nil, fmt.Errorf("read a message: longer than %d bytes", maxMessage)
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("read a message: cut off after %d bytes (%.80q): %w", len(line), line, io.ErrUnexpectedEOF)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// Close only marks the channel: the streams below it belong to others, who
// close them without holding jrpc2's locks.
func (l *lines) Close() error {
	l.closed.Store(true)
	return nil
}

// Protocol is the number of the protocol between coordinator and hosts; it
// changes whenever the two could misunderstand each other.
const Protocol = 1

// The names of the methods that every host has.
const (
	methodHello      = "hello"
	methodCancel     = "cancel" // a notification: {"call":N}
	methodLock       = "lock"
	methodCasePut    = "case.put"
	methodCaseAppend = "case.append"
	methodCaseList   = "case.list"
	methodCaseGet    = "case.get"
	methodFileStat   = "file.stat"
	noteProgress     = "progress" // a notification to the coordinator
)

// Progress says how far a call or a transfer is.
type Progress struct {
	Done int64 `json:"done"`
	// Total is 0 when it is not known.
	Total int64 `json:"total,omitempty"`
	// Unit is what Done and Total count: "bytes" or "entries".
	Unit string `json:"unit,omitempty"`
	Note string `json:"note,omitempty"`
}

// envelope is what every call's parameters look like on the wire.
type envelope struct {
	Call   int64           `json:"call"`
	Params json.RawMessage `json:"params,omitempty"`
}

// progressNote is the notification of a call's progress.
type progressNote struct {
	Call int64 `json:"call"`
	Progress
}

// helloParams is what the coordinator introduces itself with.
type helloParams struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	// Silence is after how long without a word the coordinator is gone, in
	// nanoseconds.
	Silence time.Duration `json:"silence"`
}

// Hello is what a host introduces itself with.
type Hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	Hostname string `json:"hostname"`
	OS       string `json:"os"`
	// PID is the server's process on that machine.
	PID int `json:"pid"`
}
