package casefile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/plan"
)

// The files of a case folder.
const (
	FactsFile     = "facts.json"
	DiagnosisFile = "diagnosis.json"
	PlanFile      = "plan.json"
	JournalFile   = "journal.jsonl"
	VerdictFile   = "verdict.json"
)

// Folder is the folder of one case.
type Folder struct{ Dir string }

// Name gives the case's name, which is the folder's.
func (f Folder) Name() string { return filepath.Base(f.Dir) }

// NewName makes a case name from a time, a cluster's name and a few random
// letters: "20261121-031502-prod-k3f9".
func NewName(at time.Time, clusterName, random string) string {
	return fmt.Sprintf("%s-%s-%s", at.UTC().Format("20060102-150405"), plain(clusterName), random)
}

// plain keeps what is safe in a file name on every system.
func plain(s string) string {
	out := []byte{}
	for i := 0; i < len(s) && len(out) < 24; i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-':
			out = append(out, c)
		case c >= 'A' && c <= 'Z':
			out = append(out, c+'a'-'A')
		}
	}
	if len(out) == 0 {
		return "cluster"
	}
	return string(out)
}

// Create makes a new case folder below parent; it must not exist.
func Create(parent, name string) (Folder, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return Folder{}, fmt.Errorf("create case folder: %w (choose another place with --cases)", err)
	}
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Folder{}, fmt.Errorf("create case folder: %w", err)
	}
	return Folder{dir}, durable.SyncDir(parent)
}

// Open opens an existing case folder: it must hold a plan or facts.
func Open(dir string) (Folder, error) {
	for _, name := range []string{PlanFile, FactsFile} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return Folder{filepath.Clean(dir)}, nil
		}
	}
	return Folder{}, fmt.Errorf("open case %s: neither %s nor %s is there, so it is no case folder", dir, PlanFile, FactsFile)
}

// Path gives a file of the folder.
func (f Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Write stores a document as indented JSON.
func (f Folder) Write(name string, doc any) error {
	b, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.WriteBytes(name, append(b, '\n'))
}

// WriteBytes stores a file of the folder: written beside, fsynced, renamed.
func (f Folder) WriteBytes(name string, b []byte) error {
	path := f.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return durable.WriteFile(path, b, 0o600)
}

// Read loads a document.
func (f Folder) Read(name string, into any) error {
	b, err := os.ReadFile(f.Path(name))
	if err != nil {
		return fmt.Errorf("read case: %w", err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read case: %s: %w", f.Path(name), err)
	}
	return nil
}

// Case is everything in a case folder; what is not there is nil.
type Case struct {
	Name      string              `json:"name"`
	Facts     *cluster.Facts      `json:"facts,omitempty"`
	Diagnosis *diagnose.Diagnosis `json:"diagnosis,omitempty"`
	Plan      *plan.Plan          `json:"plan,omitempty"`
	Journal   []Entry             `json:"journal,omitempty"`
	Verdict   *Verdict            `json:"verdict,omitempty"`
}

// Load reads the whole folder.
func (f Folder) Load() (Case, error) {
	c := Case{Name: f.Name()}
	var err error
	if c.Facts, err = optional[cluster.Facts](f, FactsFile); err != nil {
		return c, err
	}
	if c.Diagnosis, err = optional[diagnose.Diagnosis](f, DiagnosisFile); err != nil {
		return c, err
	}
	if c.Plan, err = optional[plan.Plan](f, PlanFile); err != nil {
		return c, err
	}
	if c.Verdict, err = optional[Verdict](f, VerdictFile); err != nil {
		return c, err
	}
	c.Journal, err = ReadJournal(f.Path(JournalFile))
	return c, err
}

func optional[T any](f Folder, name string) (*T, error) {
	var v T
	err := f.Read(name, &v)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &v, nil
}
