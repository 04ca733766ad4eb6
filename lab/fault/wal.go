package fault

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/salvor-project/salvor/lab/machine"
)

// tearWAL ends the newest log file in the middle of a record, as a power cut
// during a write does.
func tearWAL() Fault {
	return Fault{
		Name: "tear-wal",
		What: "cut the newest WAL file in the middle of one of its last records",
		Keys: []Key{{"records", "1", "how many records from the end"}},
		Lost: "the records are gone; recover the member",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			n, err := strconv.Atoi(s.Keys["records"])
			if err != nil || n < 1 {
				return nil, fmt.Errorf("tear-wal: records=%s is no number", s.Keys["records"])
			}
			return nil, still(ctx, m, "etcd", func() error {
				path, records, err := s.newestWAL(m)
				if err != nil {
					return err
				}
				r := records[max(0, len(records)-n)]
				return os.Truncate(path, r.at+8+r.size/2)
			})
		},
	}
}

// flipWAL flips one bit in a record of the log.
func flipWAL() Fault {
	return Fault{
		Name: "flip-wal",
		What: "flip one bit in a record in the middle of the newest WAL file",
		Lost: "the record is damaged; recover the member",
		Do: func(ctx context.Context, s *Scene, m machine.Machine) (map[string]string, error) {
			return nil, still(ctx, m, "etcd", func() error {
				path, records, err := s.newestWAL(m)
				if err != nil {
					return err
				}
				r := records[len(records)/2]
				return flip(path, r.at+8+r.size/2)
			})
		},
	}
}

// record is one frame of a WAL file: its length field is at at.
type record struct{ at, size int64 }

// newestWAL reads the frames of the last log file that has any; the format is
// that of etcd's server/storage/wal/encoder.go.
func (s *Scene) newestWAL(m machine.Machine) (string, []record, error) {
	paths, err := filepath.Glob(s.root(m, etcdDir+"/member/wal/*.wal"))
	if err != nil {
		return "", nil, err
	}
	for i := len(paths) - 1; i >= 0; i-- {
		records, err := frames(paths[i])
		if err != nil {
			return "", nil, err
		}
		if len(records) > 0 {
			return paths[i], records, nil
		}
	}
	return "", nil, errors.New("read WAL: no records")
}

func frames(path string) ([]record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []record
	for at := int64(0); at+8 <= int64(len(data)); {
		field := binary.LittleEndian.Uint64(data[at:])
		if field == 0 {
			break
		}
		size := int64(field &^ (0xff << 56))
		if field>>63 == 1 {
			size += int64(field >> 56 & 7) // padding
		}
		if at+8+size > int64(len(data)) {
			break
		}
		all = append(all, record{at, size})
		at += 8 + size
	}
	return all, nil
}

// flip turns one bit of a file over.
func flip(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err = f.ReadAt(b[:], at); err == nil {
		b[0] ^= 0x10
		_, err = f.WriteAt(b[:], at)
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
