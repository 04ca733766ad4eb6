package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/durable"
	"github.com/salvor-project/salvor/internal/observe"
)

// evidencePack is the file in a case folder that holds everything which may
// leave the house.
const evidencePack = "evidence.tgz"

// digestList names every other file of a pack with its sha256, as sha256sum
// writes it.
const digestList = "SHA256SUMS"

// packCase writes facts, diagnosis, report and evidence of a case into one
// file, with a list of digests. The order is that of the names, so that the
// same files make the same pack.
func packCase(folder casefile.Folder, to string) error {
	var names []string
	err := filepath.WalkDir(folder.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(folder.Dir, path)
		if err == nil && packed(rel) {
			names = append(names, rel)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("pack evidence: %w", err)
	}
	sort.Strings(names)
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	t := tar.NewWriter(z)
	put := func(name string, b []byte) error {
		if err := t.WriteHeader(&tar.Header{Name: folder.Name() + "/" + name, Mode: 0o600, Size: int64(len(b)), Format: tar.FormatPAX}); err != nil {
			return err
		}
		_, err := t.Write(b)
		return err
	}
	var sums strings.Builder
	for _, n := range names {
		b, err := os.ReadFile(folder.Path(n))
		if err == nil {
			b, err = clean(n, b)
		}
		if err == nil {
			sum := sha256.Sum256(b)
			fmt.Fprintf(&sums, "%s  %s\n", hex.EncodeToString(sum[:]), filepath.ToSlash(n))
			err = put(filepath.ToSlash(n), b)
		}
		if err != nil {
			return fmt.Errorf("pack evidence: %w", err)
		}
	}
	if err := put(digestList, []byte(sums.String())); err != nil {
		return fmt.Errorf("pack evidence: %w", err)
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("pack evidence: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("pack evidence: %w", err)
	}
	if err := durable.WriteFile(to, out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("pack evidence: %w", err)
	}
	return nil
}

// clean cuts secrets out of the facts: the configuration in them may hold a
// process's environment. The evidence was cleaned where it was collected.
func clean(name string, b []byte) ([]byte, error) {
	if name != casefile.FactsFile {
		return b, nil
	}
	if b = observe.Redact(b); !json.Valid(b) {
		return nil, errors.New("the facts cannot be cleaned of secrets")
	}
	return b, nil
}

// packed tells which files of a case belong into the pack.
func packed(name string) bool {
	switch name {
	case casefile.FactsFile, casefile.DiagnosisFile, "report.md", "report.html", "report.json":
		return true
	}
	return strings.HasPrefix(name, "evidence"+string(filepath.Separator))
}
