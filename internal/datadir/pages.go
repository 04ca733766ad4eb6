package datadir

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"
)

// The constants of bbolt's file format (bbolt internal/common/types.go,
// meta.go and page.go).
const (
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	pageHeaderSize  = 16
	metaSize        = 64
	elementSize     = 16
	bucketHeader    = 16
	branchPage      = 0x01
	leafPage        = 0x02
	metaPage        = 0x04
	freelistPage    = 0x10
	bucketFlag      = 0x01
	noFreelist      = ^uint64(0)
	maxDepth        = 64
	minPageShift    = 9
	maxPageShift    = 24
	trailerSize     = 32
	trailerBoundary = 512
)

// boltMeta is one meta page.
type boltMeta struct {
	pageSize            int
	root, freelist, end uint64 // end is the first page number that does not exist
	txid                uint64
}

// parseMeta reads a meta from the bytes after a page header; ok is false when
// magic, version or checksum are wrong.
func parseMeta(b []byte) (boltMeta, bool) {
	ne := binary.NativeEndian
	if len(b) < metaSize || ne.Uint32(b) != boltMagic || ne.Uint32(b[4:]) != boltVersion {
		return boltMeta{}, false
	}
	h := fnv.New64a()
	h.Write(b[:56])
	m := boltMeta{
		pageSize: int(ne.Uint32(b[8:])), root: ne.Uint64(b[16:]), freelist: ne.Uint64(b[32:]),
		end: ne.Uint64(b[40:]), txid: ne.Uint64(b[48:]),
	}
	size := m.pageSize
	sane := size >= 1<<minPageShift && size <= 1<<maxPageShift && size&(size-1) == 0 && m.end < 1<<48
	return m, sane && h.Sum64() == ne.Uint64(b[56:])
}

// defect is something wrong at a place of a file.
type defect struct {
	offset int64
	what   string
}

func (d *defect) Error() string { return fmt.Sprintf("at byte %d: %s", d.offset, d.what) }

// notDB says why a file is no db at all.
type notDB struct{ why string }

func (e *notDB) Error() string { return e.why }

// cutShort says that a db file ends before its own last page.
type cutShort struct{ size, want int64 }

func (e *cutShort) Error() string {
	return fmt.Sprintf("the file has %d bytes but its meta page needs %d", e.size, e.want)
}

// pageFile reads a bbolt file with pread.
type pageFile struct {
	f    *os.File
	size int64
	meta boltMeta
	// bad are the meta pages that do not hold.
	bad []*defect
	// inUse is true when another process holds bbolt's exclusive lock.
	inUse bool
	// unlocked is true when the lock was given back while the file is read on.
	unlocked bool
	// seen marks the pages that a full walk has met; nil in a partial read.
	seen []uint64
	// report takes a defect and lets a walk go on; nil makes the first defect
	// the error of the walk.
	report func(*defect)
	bufs   [maxDepth + 1][]byte
	ahead  window
	// stopWarm ends the reading that warm began.
	stopWarm func()
}

// openPages opens path. While it is open, it holds a shared lock unless a
// running etcd holds the exclusive one: the lock is asked for without waiting,
// and an etcd that starts meanwhile waits for the end of the reading.
func openPages(path string) (*pageFile, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	p := &pageFile{f: f}
	if err := p.open(); err != nil {
		_ = f.Close()
		return nil, err
	}
	return p, nil
}

func (p *pageFile) open() error {
	info, err := p.f.Stat()
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return &notDB{"it is a folder, not a file"}
	case !info.Mode().IsRegular():
		return &notDB{"it is not a regular file"}
	case info.Size() == 0:
		return &notDB{"the file is empty"}
	}
	p.size = info.Size()
	p.inUse = errors.Is(syscall.Flock(int(p.f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
	if p.meta, p.bad, err = readMeta(p.f); err != nil {
		return err
	}
	if info, err = p.f.Stat(); err == nil {
		p.size = info.Size() // a live db may have grown before its meta was written
	}
	if want := int64(p.meta.end) * int64(p.meta.pageSize); p.size < want {
		return &cutShort{p.size, want}
	}
	return nil
}

func (p *pageFile) close() {
	if p.stopWarm != nil {
		p.stopWarm()
		p.stopWarm = nil
	}
	p.ahead.close()
	_ = p.f.Close()
}

// consistent tells whether what was read since the opening belongs together.
// bbolt writes a new transaction only into pages that the last committed one
// does not use; so the tree of transaction T stays whole on disk until T+2
// begins to be written, which is only after the meta of T+1 was.
func (p *pageFile) consistent() bool {
	if !p.inUse {
		return true
	}
	now, _, err := readMeta(p.f)
	return err == nil && now.txid == p.meta.txid
}

// ErrCommits is the error of reading a db without its lock while its etcd goes
// on to write it.
var ErrCommits = errors.New("its etcd commits to the db while it is read: stop it, or save a snapshot of it and look at that")

// unlock gives the lock back: an etcd that starts need not wait any longer. What
// is read from then on counts only as long as nothing was committed.
func (p *pageFile) unlock() {
	p.unlocked = true
	_ = syscall.Flock(int(p.f.Fd()), syscall.LOCK_UN)
}

// unchanged tells whether nothing was committed to a db that is read without its
// lock since it was opened, and both meta pages hold still: then all that was
// read of the tree since belongs to one commit (see consistent).
func (p *pageFile) unchanged() bool {
	if !p.inUse && !p.unlocked {
		return true
	}
	now, bad, err := readMeta(p.f)
	return err == nil && now == p.meta && len(bad) == len(p.bad)
}

// watchEvery is after how many leaves a reading without the lock looks whether
// it is still worth to go on: some 4 MiB.
const watchEvery = 1024

// watching ends a walk through a db without its lock as soon as something was
// committed.
func (p *pageFile) watching(visit visitor) visitor {
	if !p.inUse && !p.unlocked {
		return visit
	}
	leaves, leaf := 0, uint64(0)
	return func(at place, key, value []byte) error {
		if at.page != leaf {
			leaf = at.page
			if leaves++; leaves%watchEvery == 0 && !p.unchanged() {
				return ErrCommits
			}
		}
		return visit(at, key, value)
	}
}

// readMeta gives the newest meta that holds, and the defects of the other.
// Where the first does not hold, the second is looked for at every page size,
// as bbolt does (db.go, getPageSizeFromSecondMeta).
func readMeta(r io.ReaderAt) (boltMeta, []*defect, error) {
	at := func(off int64) (boltMeta, bool) {
		b := make([]byte, pageHeaderSize+metaSize)
		if n, err := r.ReadAt(b, off); n < len(b) || (err != nil && !errors.Is(err, io.EOF)) {
			return boltMeta{}, false
		}
		return parseMeta(b[pageHeaderSize:])
	}
	first, ok := at(0)
	if ok {
		second, ok := at(int64(first.pageSize))
		if !ok {
			return first, []*defect{{int64(first.pageSize), "meta page 1 is invalid; the other one is used"}}, nil
		}
		if second.txid > first.txid {
			return second, nil, nil
		}
		return first, nil, nil
	}
	for shift := minPageShift; shift <= maxPageShift; shift++ {
		if second, ok := at(1 << shift); ok && second.pageSize == 1<<shift {
			return second, []*defect{{0, "meta page 0 is invalid; the other one is used"}}, nil
		}
	}
	return boltMeta{}, nil, whyNoDB(r)
}

// whyNoDB tells a file that was never a db from one whose metas are destroyed.
func whyNoDB(r io.ReaderAt) error {
	b := make([]byte, 4096)
	n, _ := r.ReadAt(b, 0)
	b = b[:n]
	switch {
	case n >= 2 && b[0] == 0x1f && b[1] == 0x8b:
		return &notDB{"it is gzip data: decompress it first"}
	case n >= 4 && binary.LittleEndian.Uint32(b) == 0xFD2FB528:
		return &notDB{"it is zstd data: decompress it first"}
	case isText(b):
		return &notDB{"it is a text file, not an etcd db"}
	case n < pageHeaderSize+metaSize:
		return &notDB{fmt.Sprintf("its %d bytes are too few for an etcd db", n)}
	}
	return &defect{0, "neither meta page is valid: it is no etcd db, or both are destroyed"}
}

func isText(b []byte) bool {
	for _, c := range b {
		if (c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}
