package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"os"

	"github.com/salvor-project/salvor/lab/machine"
)

// dbPath is etcd's db in its data directory.
const dbPath = etcdDir + "/member/snap/db"

// flipDB flips a bit of a value that etcd holds.
func flipDB() Fault {
	return Fault{
		Name: "flip-db",
		What: "flip one bit of a stored value in the db (a page in use, found from the file's own tree)",
		Lost: "the value is damaged; recover the member",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, still(ctx, m, "etcd", func() error {
				path := s.root(m, dbPath)
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				at, err := valueInUse(data)
				if err != nil {
					return err
				}
				return flip(path, at)
			})
		},
	}
}

// truncateDB cuts the db in half.
func truncateDB() Fault {
	return Fault{
		Name: "truncate-db",
		What: "cut the db to half of its size",
		Lost: "the data is gone; recover the member",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, still(ctx, m, "etcd", func() error {
				path := s.root(m, dbPath)
				info, err := os.Stat(path)
				if err != nil {
					return err
				}
				return os.Truncate(path, info.Size()/2)
			})
		},
	}
}

// The layout of a bbolt file, from bbolt's internal/common/{page,meta}.go.
const (
	pageHeader = 16
	element    = 16
	branchPage = 1
	leafPage   = 2
	bboltMagic = 0xED0CDAED
)

var errNotBolt = errors.New("read db: not a bbolt file that can be walked")

// valueInUse is the offset of the middle of a value in etcd's key bucket.
func valueInUse(data []byte) (int64, error) {
	b := bolt{data: data}
	root, err := b.newestRoot()
	if err != nil {
		return 0, err
	}
	for i := range b.count(root) {
		key, value := b.leaf(root, i)
		if key == nil || string(key) != "key" || len(value) < 8 {
			continue
		}
		page := binary.LittleEndian.Uint64(value)
		for b.flags(page) == branchPage { // down the middle
			page = b.child(page, b.count(page)/2)
		}
		if b.flags(page) != leafPage || b.count(page) == 0 {
			return 0, errNotBolt
		}
		_, v := b.leaf(page, b.count(page)/2)
		if len(v) == 0 {
			return 0, errNotBolt
		}
		return int64(cap(data)-cap(v)) + int64(len(v)/2), nil
	}
	return 0, errNotBolt
}

type bolt struct {
	data []byte
	size uint64 // of a page
}

// newestRoot is the root page of the meta with the higher transaction.
func (b *bolt) newestRoot() (uint64, error) {
	var root, newest uint64
	if len(b.data) < 2<<12 {
		return 0, errNotBolt
	}
	b.size = uint64(binary.LittleEndian.Uint32(b.data[pageHeader+8:]))
	if b.size < 512 || b.size > 1<<16 {
		return 0, errNotBolt
	}
	for i := range uint64(2) {
		m := b.page(i)
		if m == nil || binary.LittleEndian.Uint32(m[pageHeader:]) != bboltMagic {
			continue
		}
		if tx := binary.LittleEndian.Uint64(m[pageHeader+48:]); tx >= newest {
			newest, root = tx, binary.LittleEndian.Uint64(m[pageHeader+16:])
		}
	}
	if root == 0 || b.flags(root) != leafPage {
		return 0, errNotBolt
	}
	return root, nil
}

// page is the rest of the file from a page's begin: it may overflow.
func (b *bolt) page(id uint64) []byte {
	if id >= uint64(len(b.data))/b.size {
		return nil
	}
	return b.data[id*b.size:]
}

func (b *bolt) flags(id uint64) uint16 {
	p := b.page(id)
	if p == nil {
		return 0
	}
	return binary.LittleEndian.Uint16(p[8:])
}

func (b *bolt) count(id uint64) int {
	return int(binary.LittleEndian.Uint16(b.page(id)[10:]))
}

// child is the page below element i of a branch page.
func (b *bolt) child(id uint64, i int) uint64 {
	return binary.LittleEndian.Uint64(b.page(id)[pageHeader+i*element+8:])
}

// leaf is element i of a leaf page.
func (b *bolt) leaf(id uint64, i int) (key, value []byte) {
	p := b.page(id)
	at := pageHeader + i*element
	e := p[at:]
	pos := uint64(binary.LittleEndian.Uint32(e[4:]))
	k, v := uint64(binary.LittleEndian.Uint32(e[8:])), uint64(binary.LittleEndian.Uint32(e[12:]))
	if pos+k+v > uint64(len(e)) {
		return nil, nil
	}
	return e[pos : pos+k], e[pos+k : pos+k+v]
}
