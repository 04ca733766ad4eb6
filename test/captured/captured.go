// Package captured keeps what Salvor saw of real faults. A test that breaks real
// programs or machines hands the facts over (Keep), and with SALVOR_CAPTURE set
// to a folder they are written there, so that the rules are tested against them
// without the programs (Read). Nothing in such a file is written by hand.
package captured

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// dirEnv names the folder into which fixtures are written.
const dirEnv = "SALVOR_CAPTURE"

// largest is how many bytes a fixture may have as text; larger ones, of whole
// machines, are compressed (and read with zcat).
const largest = 60 << 10

// Fixture is what Salvor saw of one real fault.
type Fixture struct {
	// Code is the class that was made; empty when nothing was.
	Code diagnose.Code `json:"code"`
	// Cause is the root cause: Code, or another class where Code is what follows
	// from it or is too mild to be a cause.
	Cause diagnose.Code `json:"cause"`
	// Also are other classes that it shows.
	Also []diagnose.Code `json:"also,omitempty"`
	// By is the test that made it.
	By    string        `json:"by"`
	Facts cluster.Facts `json:"facts"`
}

// Where says how a fixture is called and what of its facts is this machine's.
type Where struct {
	// Variant tells fixtures of the same class apart; may be empty.
	Variant string
	// Names are folders and names of this machine, and what stands for them.
	Names map[string]string
	// Redact cuts secrets out: observe.Redact. (Tests inside of observe keep
	// fixtures, too, so that this package cannot import it.)
	Redact func([]byte) []byte
}

// Keep writes a fixture when SALVOR_CAPTURE names a folder, unless one of that
// name is there: the first that a run makes is the one that is kept.
func Keep(t testing.TB, f Fixture, w Where) {
	t.Helper()
	dir := os.Getenv(dirEnv)
	if dir == "" || t.Failed() {
		return
	}
	name := string(f.Code)
	if name == "" {
		name = "healthy"
	}
	if w.Variant != "" {
		name += "." + w.Variant
	}
	path := filepath.Join(dir, name+".json")
	if found, err := filepath.Glob(path + "*"); err != nil || len(found) > 0 {
		return
	}
	f.By = t.Name()
	var err error
	if f.Facts, err = stable(f.Facts, w); err != nil {
		t.Fatalf("keep %s: %v", name, err)
	}
	b, err := short(f)
	if err != nil {
		t.Fatalf("keep %s: %v", name, err)
	}
	for _, own := range folders(t) {
		if i := strings.Index(string(b), own); i >= 0 {
			t.Fatalf("keep %s: it names a folder of this machine: %s", name, b[max(0, i-100):min(len(b), i+100)])
		}
	}
	if b = append(b, '\n'); len(b) > largest {
		b, path = packed(b), path+".gz"
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// folders are those of this machine that no fixture may name: of the person, of
// the checkout, and the temporary one.
func folders(t testing.TB) []string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return []string{home + "/", os.TempDir() + "/", filepath.Dir(filepath.Dir(here)) + "/"} // tests lie two folders below the checkout
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return b // into memory: it cannot fail
	}
	return out.Bytes()
}

// text reads a fixture, compressed or not.
func text(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(path, ".gz") {
		return io.ReadAll(f)
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// Read gives all fixtures of a folder by their names.
func Read(dir string) (map[string]Fixture, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil {
		return nil, err
	}
	out := map[string]Fixture{}
	for _, path := range paths {
		b, err := text(path)
		if err != nil {
			return nil, err
		}
		var f Fixture
		if err := json.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		name, _, _ := strings.Cut(filepath.Base(path), ".json")
		out[name] = f
	}
	return out, nil
}
