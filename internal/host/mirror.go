package host

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/salvor-project/salvor/internal/durable"
)

// Mirror keeps case files below one folder: Dir/<case>/<name>. What Put and
// Append have returned for survives a power cut.
type Mirror struct {
	// Dir is made with mode 0700 when it is missing.
	Dir string
}

// CaseFile is one file of a case.
type CaseFile struct {
	Name     string    `json:"name"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
}

// CaseInfo is one case folder.
type CaseInfo struct {
	Case  string     `json:"case"`
	Files []CaseFile `json:"files"`
}

// CasesDir gives the folder of all cases in a state folder.
func CasesDir(stateDir string) string { return filepath.Join(stateDir, "cases") }

// Put replaces a file of a case atomically.
func (m Mirror) Put(caseName, name string, data []byte) error {
	dir, err := m.folder(caseName, name)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		return fmt.Errorf("mirror %s of case %s: %w", name, caseName, err)
	}
	return nil
}

// Append adds one line, a JSON object without its line end whose "seq" is seq,
// to a file of such lines in ascending order. A line that is already there is
// ignored, so that a call may be repeated; another line with the same seq, or
// one that comes too late, is refused with CodeConflict. What a crash left of
// an unfinished last line is cut off first.
func (m Mirror) Append(caseName, name string, line []byte, seq int64) error {
	if got, err := seqOf(line); err != nil || got != seq || bytes.ContainsAny(line, "\r\n") {
		return &Failure{Code: CodeBadRequest, Err: fmt.Errorf("append to %s: the line is not one JSON object with seq %d", name, seq)}
	}
	dir, err := m.folder(caseName, name)
	if err != nil {
		return err
	}
	if err := appendLine(dir, name, line, seq); err != nil {
		return fmt.Errorf("append line %d to %s of case %s: %w", seq, name, caseName, err)
	}
	return nil
}

// Get reads a file of a case; fs.ErrNotExist when there is none.
func (m Mirror) Get(caseName, name string) ([]byte, error) {
	if err := validNames(caseName, name); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(m.Dir, caseName, name)) // the error names the path
}

// List gives all cases with their files, in order of name; none when the
// folder is missing.
func (m Mirror) List() ([]CaseInfo, error) {
	dirs, err := os.ReadDir(m.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list cases: %w", err)
	}
	var all []CaseInfo
	for _, d := range dirs {
		if !d.IsDir() || ValidName(d.Name()) != nil {
			continue
		}
		files, err := caseFiles(filepath.Join(m.Dir, d.Name()))
		if err != nil {
			return nil, fmt.Errorf("list case %s: %w", d.Name(), err)
		}
		all = append(all, CaseInfo{Case: d.Name(), Files: files})
	}
	return all, nil
}

func caseFiles(dir string) ([]CaseFile, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []CaseFile
	for _, e := range entries {
		st, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || (err == nil && !st.Mode().IsRegular()) || ValidName(e.Name()) != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, CaseFile{Name: e.Name(), Size: st.Size(), Modified: st.ModTime()})
	}
	return files, nil
}

// folder makes the case's folder.
func (m Mirror) folder(caseName, name string) (string, error) {
	if err := validNames(caseName, name); err != nil {
		return "", err
	}
	dir := filepath.Join(m.Dir, caseName)
	return dir, durable.MakeDir(dir)
}

func validNames(names ...string) error {
	for _, n := range names {
		if err := ValidName(n); err != nil {
			return &Failure{Code: CodeBadRequest, Err: err}
		}
	}
	return nil
}

// ValidName refuses what is not the plain name of one file: empty, longer than
// 200 bytes, beginning with a dot, with a separator or a control character.
func ValidName(name string) error {
	bad := name == "" || len(name) > 200 || name[0] == '.' || !utf8.ValidString(name) ||
		strings.ContainsAny(name, `/\`) || strings.ContainsFunc(name, unicode.IsControl)
	if bad {
		return fmt.Errorf("name %q is not allowed: use a plain file name of 1 to 200 bytes that does not begin with a dot", name)
	}
	return nil
}

// seqOf reads the "seq" of a line.
func seqOf(line []byte) (int64, error) {
	var v struct {
		Seq *int64 `json:"seq"`
	}
	if err := json.Unmarshal(line, &v); err != nil {
		return 0, err
	}
	if v.Seq == nil {
		return 0, errors.New(`the line has no "seq"`)
	}
	return *v.Seq, nil
}

// appendLine does the work of Append under the file's own flock.
func appendLine(dir, name string, line []byte, seq int64) (err error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock the file: %w", err)
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	whole := wholeLines(old)
	present, err := fit(old[:whole], line, seq)
	if err != nil {
		return err
	}
	if whole < len(old) {
		if err := f.Truncate(int64(whole)); err != nil {
			return fmt.Errorf("cut off the unfinished last line: %w", err)
		}
	}
	if !present {
		if _, err := f.WriteAt(append(bytes.Clone(line), '\n'), int64(whole)); err != nil {
			return errors.Join(err, f.Truncate(int64(whole)))
		}
	}
	// Also when the line is there: the caller may repeat it because the
	// process was killed between the write and the sync.
	if err := f.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// wholeLines gives the length of data without its unfinished last line. A last
// line that is no JSON object is unfinished too: a crash can write a line's
// end and not its middle.
func wholeLines(data []byte) int {
	n := bytes.LastIndexByte(data, '\n') + 1
	if n == 0 {
		return 0
	}
	begin := bytes.LastIndexByte(data[:n-1], '\n') + 1
	if _, err := seqOf(data[begin : n-1]); err != nil {
		return begin
	}
	return n
}

// fit tells whether the line is already among the whole lines, and refuses
// one that does not fit behind them.
func fit(lines, line []byte, seq int64) (present bool, err error) {
	last, number := int64(0), 0
	for l := range bytes.Lines(lines) {
		number++
		l = bytes.TrimSuffix(l, []byte("\n"))
		got, err := seqOf(l)
		if err != nil {
			return false, &Failure{Code: CodeCorrupt, Hint: "replace the mirrored file by the coordinator's own", Err: fmt.Errorf("line %d is damaged: %w", number, err)}
		}
		if got == seq && bytes.Equal(l, line) {
			return true, nil
		}
		if got == seq {
			return false, &Failure{Code: CodeConflict, Hint: "another coordinator has written to this case; resume from the longest journal", Err: fmt.Errorf("line %d has seq %d and other content", number, seq)}
		}
		last = got
	}
	if number > 0 && seq < last {
		return false, &Failure{Code: CodeConflict, Hint: "replace the mirrored file by the coordinator's own", Err: fmt.Errorf("the file already ends with seq %d", last)}
	}
	return false, nil
}
