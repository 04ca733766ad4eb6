package observe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
)

// logTail is how much of a member's log is preserved, in bytes.
const logTail = 512 << 10

// EvidenceFile is one file to be preserved in the case folder.
type EvidenceFile struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

// Evidence collects what would be gone or overwritten later: the end of each
// member's log, and a listing of its data dir. It reads no keys and no values.
func Evidence(cfg cluster.Config, host string) []EvidenceFile {
	var out []EvidenceFile
	for _, m := range cfg.Members {
		if m.Host != host {
			continue
		}
		out = append(out, listing(m))
		if p := m.Run.Process; p != nil && p.Log != "" {
			out = append(out, tailOf(m.Name, p.Log))
		}
	}
	return out
}

// listed is one line of a data dir's listing.
type listed struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Mode     string    `json:"mode"`
	Modified time.Time `json:"modified"`
}

func listing(m cluster.Member) EvidenceFile {
	var all []listed
	roots := []string{m.DataDir}
	if m.WALDir != "" {
		roots = append(roots, m.WALDir)
	}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return fs.SkipDir
			}
			if info, err := d.Info(); err == nil {
				all = append(all, listed{path, info.Size(), info.Mode().String(), info.ModTime()})
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.SkipDir) {
			all = append(all, listed{Path: fmt.Sprintf("%s: %v", root, err)})
		}
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		b = []byte(err.Error())
	}
	return EvidenceFile{m.Name + "-files.json", b}
}

func tailOf(member, path string) EvidenceFile {
	f, err := os.Open(path)
	if err != nil {
		return EvidenceFile{member + "-log.txt", []byte(err.Error())}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > logTail {
		if _, err := f.Seek(-logTail, io.SeekEnd); err != nil {
			return EvidenceFile{member + "-log.txt", []byte(err.Error())}
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, logTail))
	if err != nil {
		b = append(b, []byte("\n"+err.Error())...)
	}
	return EvidenceFile{member + "-log.txt", b}
}
