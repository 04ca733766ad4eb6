package demo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.uber.org/zap"
)

// AtRest is what a wreck checks about a stopped member's files. Salvor has its
// own, thorough reader; this one is kept apart so that the two can disagree.
type AtRest struct {
	// Revision and ConsistentIndex are what the db file holds.
	Revision        int64
	ConsistentIndex uint64
	// LastTerm and LastIndex are those of the log's last entry.
	LastTerm, LastIndex uint64
}

// AtRest reads the undamaged files of a stopped member.
func (c *Cluster) AtRest(name string) (AtRest, error) {
	a, err := dbAtRest(c.dbPath(name))
	if err != nil {
		return a, err
	}
	log, err := wal.OpenForRead(zap.NewNop(), c.walDir(name), &walpb.Snapshot{})
	if err != nil {
		return a, fmt.Errorf("read log of %s: %w", name, err)
	}
	defer log.Close()
	_, _, entries, err := log.ReadAll()
	if err != nil && !errors.Is(err, wal.ErrSnapshotNotFound) {
		return a, fmt.Errorf("read log of %s: %w", name, err)
	}
	if n := len(entries); n > 0 {
		a.LastTerm, a.LastIndex = entries[n-1].GetTerm(), entries[n-1].GetIndex()
	}
	return a, nil
}

func (c *Cluster) dbPath(name string) string {
	return filepath.Join(c.DataDir(name), "member", "snap", "db")
}
func (c *Cluster) walDir(name string) string { return filepath.Join(c.DataDir(name), "member", "wal") }

// dbAtRest reads the last revision and the consistent index of a db file or
// snapshot; the layout is that of etcd's server/storage/mvcc and
// server/storage/schema.
func dbAtRest(path string) (AtRest, error) {
	var a AtRest
	err := readDB(path, func(tx *bolt.Tx) error {
		keys, meta := tx.Bucket([]byte("key")), tx.Bucket([]byte("meta"))
		if keys == nil || meta == nil {
			return errors.New("no key or meta bucket")
		}
		if last, _ := keys.Cursor().Last(); len(last) >= 8 {
			a.Revision = int64(binary.BigEndian.Uint64(last))
		}
		if v := meta.Get([]byte("consistent_index")); len(v) == 8 {
			a.ConsistentIndex = binary.BigEndian.Uint64(v)
		}
		return nil
	})
	return a, err
}

func readDB(path string, do func(tx *bolt.Tx) error) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("read db %s: %w", path, err)
	}
	err = db.View(do)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("read db %s: %w", path, err)
	}
	return nil
}

// Damaged is a place that a wreck overwrote.
type Damaged struct {
	File   string
	Offset int64
	Bytes  int
}

// invert flips every bit of a part of a file, in place.
func invert(path string, offset int64, n int) (Damaged, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Damaged{}, fmt.Errorf("damage file: %w", err)
	}
	b := make([]byte, n)
	if _, err = f.ReadAt(b, offset); err == nil {
		for i := range b {
			b[i] ^= 0xff
		}
		_, err = f.WriteAt(b, offset)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return Damaged{}, fmt.Errorf("damage %s at %d: %w", path, offset, err)
	}
	return Damaged{File: path, Offset: offset, Bytes: n}, nil
}

// damageWAL inverts some bytes of the record in the middle of a member's last
// log file: its checksum fails while everything around it is whole.
func (c *Cluster) damageWAL(name string) (Damaged, error) {
	files, err := filepath.Glob(filepath.Join(c.walDir(name), "*.wal"))
	if err != nil || len(files) == 0 {
		return Damaged{}, fmt.Errorf("damage log of %s: no log file: %w", name, err)
	}
	path := files[len(files)-1] // names sort by age
	frames, err := walFrames(path)
	if err != nil {
		return Damaged{}, err
	}
	if len(frames) < 10 && len(files) > 1 {
		path = files[len(files)-2]
		if frames, err = walFrames(path); err != nil {
			return Damaged{}, err
		}
	}
	for _, f := range frames[len(frames)/2:] {
		if f.size >= 64 {
			return invert(path, f.offset+8+f.size/2, 16)
		}
	}
	return Damaged{}, fmt.Errorf("damage log of %s: %s holds no record to damage", name, path)
}

// frame is one record of a log file: an 8-byte little-endian length field and
// size bytes (etcd's server/storage/wal/decoder.go: decodeFrameSize).
type frame struct{ offset, size int64 }

func walFrames(path string) ([]frame, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read log: %w", err)
	}
	var frames []frame
	for at := int64(0); at+8 <= int64(len(b)); {
		field := binary.LittleEndian.Uint64(b[at:])
		size := int64(field &^ (0xff << 56))
		padding := int64(0)
		if int64(field) < 0 {
			padding = int64(field >> 56 & 0x7)
		}
		if field == 0 || at+8+size+padding > int64(len(b)) {
			break // reserved space
		}
		frames = append(frames, frame{offset: at, size: size})
		at += 8 + size + padding
	}
	return frames, nil
}

// damageDB inverts up to n pages spread over a db's key bucket, headers and
// all: pages that every reader of the bucket must pass.
func (c *Cluster) damageDB(name string, n int) ([]Damaged, error) {
	var pages []uint64
	var size int
	err := readDB(c.dbPath(name), func(tx *bolt.Tx) error {
		size = tx.DB().Info().PageSize
		file, err := os.Open(c.dbPath(name))
		if err != nil {
			return err
		}
		defer file.Close()
		pages, err = spreadPages(file, uint64(tx.Bucket([]byte("key")).Root()), size, n)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(pages) == 0 {
		return nil, fmt.Errorf("damage db of %s: the key bucket is a single page", name)
	}
	var all []Damaged
	for _, id := range pages {
		d, err := invert(c.dbPath(name), int64(id)*int64(size), size)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
	return all, nil
}

// spreadPages chooses up to n pages two levels below a bucket's root, or one
// level where the tree is flat.
func spreadPages(file *os.File, root uint64, size, n int) ([]uint64, error) {
	children, err := childPages(file, root, size)
	if err != nil {
		return nil, err
	}
	var chosen []uint64
	for i := range min(n, len(children)) {
		child := children[i*len(children)/min(n, len(children))]
		below, err := childPages(file, child, size)
		if err != nil {
			return nil, err
		}
		if len(below) > 0 {
			child = below[len(below)/2]
		}
		chosen = append(chosen, child)
	}
	return chosen, nil
}

// childPages gives the pages that a branch page refers to; a leaf has none.
// The layout is that of bbolt's internal/common/page.go: a header of 16 bytes
// (id, flags, count, overflow), then elements of 16 bytes (pos, ksize, pgid).
func childPages(file *os.File, id uint64, size int) ([]uint64, error) {
	b := make([]byte, size)
	if _, err := file.ReadAt(b, int64(id)*int64(size)); err != nil {
		return nil, err
	}
	const branch = 0x01
	if binary.LittleEndian.Uint16(b[8:])&branch == 0 {
		return nil, nil
	}
	var children []uint64
	for i := range int(binary.LittleEndian.Uint16(b[10:])) {
		if at := 16 + 16*i; at+16 <= size {
			children = append(children, binary.LittleEndian.Uint64(b[at+8:]))
		}
	}
	return children, nil
}
