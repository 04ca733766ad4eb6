package datadir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// from finds the run that goes on from an applied index: it holds the entry
// behind it, or ends with it. Later runs win, because what was written later
// overrules what was written before.
func (l *walLog) from(applied uint64) (run, bool) {
	for _, r := range slices.Backward(l.runs) {
		if r.count() > 0 && r.base <= applied && applied <= r.last() {
			return r, true
		}
	}
	return run{}, false
}

// walLog is a write-ahead log, read frame by frame.
type walLog struct {
	dir      string
	segments []cluster.Segment
	modified time.Time
	metadata []byte
	hard     raftpb.HardState
	// snapshots are the indexes of the snapshot records, in the log's order.
	snapshots []uint64
	// left is the run that a snapshot record has put an end to, for as long as
	// nothing shows that etcd went on from that record; nil when there is none.
	left *run
	// runs has one element more than there are cuts; the last may be empty.
	runs   []run
	damage []cluster.Damage
	whole  bool
	// buf holds the segment that is being read.
	buf []byte
}

// readWAL reads every segment of a log. live says that an etcd is writing it:
// an unfinished last record is then no damage.
func readWAL(ctx context.Context, dir string, live bool) (*walLog, error) {
	names, err := segmentNames(dir)
	if err != nil {
		return nil, err
	}
	l := &walLog{dir: dir, whole: true, runs: []run{{}}}
	if len(names) == 0 {
		l.hurt(cluster.DamageWALMissing, dir, -1, "the folder holds no WAL file")
		return l, nil
	}
	var c chain
	for i, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if i > 0 && n.seq != names[i-1].seq+1 {
			l.cut()
			l.hurt(cluster.DamageWALMissing, filepath.Join(dir, n.name), -1,
				fmt.Sprintf("the files between %s and this one are missing", names[i-1].name))
			c = chain{}
		}
		l.segment(n, i == len(names)-1, live, &c)
	}
	l.goBack()
	l.doubt()
	l.buf = nil
	return l, nil
}

// segmentName is the name of a WAL file: sequence number and first index.
type segmentName struct {
	name       string
	seq, index uint64
}

// segmentNames lists a folder's WAL files in order. Anything else is ignored,
// among it the *.tmp files that etcd keeps ready (server/storage/wal/util.go).
func segmentNames(dir string) ([]segmentName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []segmentName
	for _, e := range entries {
		n := segmentName{name: e.Name()}
		if filepath.Ext(n.name) != ".wal" {
			continue
		}
		if _, err := fmt.Sscanf(n.name, "%016x-%016x.wal", &n.seq, &n.index); err == nil {
			names = append(names, n)
		}
	}
	return names, nil
}

func (l *walLog) hurt(kind cluster.DamageKind, file string, off int64, what string) {
	l.damage = append(l.damage, cluster.Damage{Kind: kind, File: file, Offset: off, What: what})
	if kind != cluster.DamageTornTail {
		l.whole = false
	}
}

// cut begins a new run: what follows is not connected to what came before.
func (l *walLog) cut() {
	last := len(l.runs) - 1
	l.runs[last].commit = l.hard.GetCommit()
	if l.left != nil { // what would have told which of the two holds is lost
		l.left.commit = l.hard.GetCommit()
		l.runs = append(l.runs[:last], *l.left, l.runs[last])
		l.left = nil
	}
	l.runs = append(l.runs, run{})
}

// doubt drops from each run what may have been overwritten inside the damage
// behind it: when the log goes on in a later term at or below the run's end,
// only what was committed is certain.
func (l *walLog) doubt() {
	for i := range l.runs {
		r := &l.runs[i]
		for _, later := range l.runs[i+1:] {
			if r.count() == 0 || later.count() == 0 {
				continue
			}
			if later.base < r.last() && later.at(later.base+1).term > r.at(r.last()).term && r.commit < r.last() {
				r.cutBehind(max(r.commit, r.base))
			}
		}
	}
}

// segment reads one file.
func (l *walLog) segment(n segmentName, last, live bool, c *chain) {
	path := filepath.Join(l.dir, n.name)
	buf, err := readInto(path, &l.buf)
	if err != nil {
		l.cut()
		l.hurt(cluster.DamageWAL, path, 0, "cannot read: "+err.Error())
		*c = chain{}
		return
	}
	l.segments = append(l.segments, cluster.Segment{Name: n.name, Size: int64(len(buf))})
	if info, err := os.Stat(path); err == nil && info.ModTime().After(l.modified) {
		l.modified = info.ModTime()
	}
	for off, second := int64(0), false; ; {
		f, err := parseFrame(buf, off)
		if err == nil {
			next := *c
			if !typed(f, second) {
				err = errRecord
			} else if next.accepts(f) {
				if err = l.record(f); err == nil {
					*c, off, second = next, f.end, off == 0
					continue
				}
			} else {
				err = fmt.Errorf("%w: the record stores %x", wal.ErrCRCMismatch, f.crc)
			}
		}
		again, ok := l.stop(path, buf, f, err, last, live, c)
		if !ok {
			return
		}
		off, second = again, false
	}
}

// stop judges the place at which a segment cannot be read on, and finds where
// it goes on behind damage.
func (l *walLog) stop(path string, buf []byte, f frame, err error, last, live bool, c *chain) (int64, bool) {
	var again int64
	var next chain
	found := false
	if !errors.Is(err, errEnd) || (last && !live && !zero(buf[min(f.off, int64(len(buf))):])) {
		again, next, found = resync(buf, f)
	}
	switch {
	case found:
		what := err.Error()
		if errors.Is(err, errEnd) {
			what = "zeros stand where records were"
		}
		l.cut()
		l.hurt(cluster.DamageWAL, path, f.off, fmt.Sprintf("%s; records can be read again from byte %d", what, again))
		*c = next
		return again, true
	case errors.Is(err, errEnd):
		return 0, false
	case last && live:
		return 0, false
	case last && (errors.Is(err, errOverrun) || torn(buf, f)):
		l.hurt(cluster.DamageTornTail, path, f.off, "the last record was not written to its end")
		return 0, false
	}
	l.cut()
	l.hurt(cluster.DamageWAL, path, f.off, err.Error())
	*c = chain{}
	return 0, false
}

// record takes one record that passed its checksum.
func (l *walLog) record(f frame) error {
	switch f.kind {
	case wal.MetadataType:
		if l.metadata != nil && !bytes.Equal(l.metadata, f.data) {
			return wal.ErrMetadataConflict
		}
		l.metadata = bytes.Clone(f.data)
	case wal.StateType:
		var s raftpb.HardState
		if err := proto.Unmarshal(f.data, &s); err != nil {
			return errRecord
		}
		proto.Reset(&l.hard)
		proto.Merge(&l.hard, &s)
		if l.left != nil && l.hard.GetCommit() >= l.runs[len(l.runs)-1].base {
			l.left = nil
		}
	case wal.SnapshotType:
		var s walpb.Snapshot
		if err := proto.Unmarshal(f.data, &s); err != nil {
			return errRecord
		}
		l.takeSnapshot(&s)
	case wal.EntryType:
		return l.takeEntry(f)
	}
	return nil
}

// takeSnapshot notes a snapshot record. One above the last entry is a snapshot
// that a leader sent: the log begins anew behind it, if etcd lived to save that
// this is so (see goBack).
func (l *walLog) takeSnapshot(s *walpb.Snapshot) {
	l.snapshots = append(l.snapshots, s.GetIndex())
	r := &l.runs[len(l.runs)-1]
	if s.GetIndex() > r.last() || (r.count() == 0 && s.GetIndex() == r.base) {
		if before := *r; l.left == nil && before.last() > 0 && s.GetIndex() > l.hard.GetCommit() {
			l.left = &before
		}
		*r = run{base: s.GetIndex(), baseTerm: s.GetTerm()}
	}
}

// goBack takes up the run that a snapshot record has put an end to. The record is
// written before the HardState that commits it; an etcd that ended in between
// passes over the record and goes on from what it had (server/storage/wal/wal.go,
// ValidSnapshotEntries).
func (l *walLog) goBack() {
	if l.left != nil {
		l.runs[len(l.runs)-1], l.left = *l.left, nil
	}
}

// snapshot is the index of the snapshot record that etcd would start from: the
// last that was committed; 0 when there is none.
func (l *walLog) snapshot() uint64 {
	for _, index := range slices.Backward(l.snapshots) {
		if index <= l.hard.GetCommit() {
			return index
		}
	}
	return 0
}

// takeEntry adds an entry to the current run. An entry with an index that the
// run already has replaces it and drops all behind it: a new leader overwrote
// what was not committed (server/storage/wal/wal.go, ReadAll).
func (l *walLog) takeEntry(f frame) error {
	e, index, term, err := wireEntry(f.data)
	if err != nil {
		return errRecord
	}
	number := len(l.segments) - 1
	l.segments[number].Entries++
	if f.end > math.MaxUint32 || f.end-f.off > maxEntrySize {
		return errTooLong
	}
	ref := entryRef{index: index, term: term, segment: uint32(number), off: uint32(f.off), size: uint32(f.end - f.off)}
	if e.kind == raftpb.EntryNormal && len(e.data) > 0 {
		ref.writes, ref.revokes = requestWrites(e.data), revokes(e.data)
	}
	r := &l.runs[len(l.runs)-1]
	if l.left != nil {
		if ref.index != r.base+1 {
			l.goBack()
		}
		l.left = nil
	}
	switch {
	case r.count() == 0 && (r.base == 0 || ref.index != r.base+1):
		*r = run{base: ref.index - 1}
	case ref.index <= r.base:
		*r = run{base: ref.index - 1}
	case ref.index > r.last()+1:
		l.hurt(cluster.DamageWAL, filepath.Join(l.dir, l.segments[number].Name), f.off,
			fmt.Sprintf("entry %d follows entry %d", ref.index, r.last()))
		l.cut()
		r = &l.runs[len(l.runs)-1]
		r.base = ref.index - 1
	default:
		r.cutBehind(ref.index - 1)
	}
	r.add(ref)
	return nil
}

// ids reads the metadata record.
func (l *walLog) ids() (clusterID, memberID cluster.ID, err error) {
	if l.metadata == nil {
		return 0, 0, errors.New("the log has no metadata record that can be read")
	}
	var m etcdserverpb.Metadata
	if err := proto.Unmarshal(l.metadata, &m); err != nil {
		return 0, 0, fmt.Errorf("the log's metadata record cannot be decoded: %w", err)
	}
	return cluster.ID(m.GetClusterID()), cluster.ID(m.GetNodeID()), nil
}

// readInto reads a whole file into a buffer that is used again.
func readInto(path string, buf *[]byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(cap(*buf)) {
		*buf = make([]byte, info.Size())
	}
	n, err := io.ReadFull(f, (*buf)[:info.Size()])
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil // it became shorter meanwhile
	}
	return (*buf)[:n], err
}

// entry reads an entry again from its file. Its data lies in buf.
func (l *walLog) entry(buf []byte, ref entryRef) (rawEntry, error) {
	f, err := parseFrame(buf, int64(ref.off))
	if err != nil {
		return rawEntry{}, err
	}
	e, index, term, err := wireEntry(f.data)
	if err != nil {
		return rawEntry{}, err
	}
	if index != ref.index || term != ref.term {
		return rawEntry{}, fmt.Errorf("entry %d has changed", ref.index)
	}
	return e, nil
}
