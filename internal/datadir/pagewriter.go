package datadir

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"os"

	"github.com/salvor-project/salvor/internal/durable"
)

// pageWriter appends pages to a bbolt file, in the order of their numbers.
type pageWriter struct {
	ctx      context.Context
	f        *os.File
	pageSize int
	next     uint64 // number of the next page
	buf      []byte
	at       int64 // where buf goes
	begun    int64 // up to where writing to the disk has begun
	seen     func(n int)
	err      error // what an appender met
}

func newPageWriter(ctx context.Context, f *os.File, pageSize int, next uint64, seen func(n int)) *pageWriter {
	at := int64(next) * int64(pageSize)
	return &pageWriter{ctx: ctx, f: f, pageSize: pageSize, next: next, buf: make([]byte, 0, 1<<20), at: at, begun: at, seen: seen}
}

// page begins a page of size bytes with its overflow and gives its number and
// its zeroed bytes, which are valid until the next call.
func (w *pageWriter) page(flags uint16, count, size int) (uint64, []byte, error) {
	pages := max(1, (size+w.pageSize-1)/w.pageSize)
	bytes := pages * w.pageSize
	if len(w.buf)+bytes > cap(w.buf) {
		if err := w.flush(); err != nil {
			return 0, nil, err
		}
		if bytes > cap(w.buf) {
			w.buf = make([]byte, 0, bytes)
		}
	}
	from := len(w.buf)
	w.buf = w.buf[:from+bytes]
	b := w.buf[from:]
	clear(b)
	number := w.next
	putPageHeader(b, number, flags, count, uint32(pages-1))
	w.next += uint64(pages)
	return number, b, nil
}

func putPageHeader(b []byte, number uint64, flags uint16, count int, overflow uint32) {
	ne := binary.NativeEndian
	ne.PutUint64(b, number)
	ne.PutUint16(b[8:], flags)
	ne.PutUint16(b[10:], uint16(count))
	ne.PutUint32(b[12:], overflow)
}

func (w *pageWriter) flush() error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.f.WriteAt(w.buf, w.at); err != nil {
		return err
	}
	w.at += int64(len(w.buf))
	if w.seen != nil {
		w.seen(len(w.buf))
	}
	w.buf = w.buf[:0]
	w.begun = durable.StartWriting(w.f, w.begun, w.at)
	return nil
}

// metas writes both meta pages, so that no older state of the db is left, and
// cuts the file behind its last page.
func (w *pageWriter) metas(root, txid uint64) error {
	if err := w.flush(); err != nil {
		return err
	}
	for _, id := range []uint64{txid, txid + 1} {
		b := make([]byte, w.pageSize)
		number := id % 2
		putPageHeader(b, number, metaPage, 0, 0)
		putMeta(b[pageHeaderSize:], boltMeta{pageSize: w.pageSize, root: root, freelist: noFreelist, end: w.next, txid: id})
		if _, err := w.f.WriteAt(b, int64(number)*int64(w.pageSize)); err != nil {
			return err
		}
	}
	return w.f.Truncate(int64(w.next) * int64(w.pageSize))
}

// putMeta writes what parseMeta reads.
func putMeta(b []byte, m boltMeta) {
	ne := binary.NativeEndian
	ne.PutUint32(b, boltMagic)
	ne.PutUint32(b[4:], boltVersion)
	ne.PutUint32(b[8:], uint32(m.pageSize))
	ne.PutUint64(b[16:], m.root)
	ne.PutUint64(b[32:], m.freelist)
	ne.PutUint64(b[40:], m.end)
	ne.PutUint64(b[48:], m.txid)
	h := fnv.New64a()
	h.Write(b[:56])
	ne.PutUint64(b[56:], h.Sum64())
}
