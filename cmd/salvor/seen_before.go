package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/cluster"
	"github.com/salvor-project/salvor/internal/diagnose"
)

// maxFacts bounds what is read as facts, in bytes.
const maxFacts = 256 << 20

// seenBefore reads what was observed before and diagnoses it anew: the same
// facts give the same diagnosis.
func (a *app) seenBefore(from string) (seen, error) {
	if info, err := os.Stat(from); err != nil {
		if known := filepath.Join(a.cases, from); from == filepath.Base(from) {
			if _, err := os.Stat(known); err == nil {
				return a.seenBefore(known) // the name of a case
			}
		}
		return seen{}, fmt.Errorf("read what was observed: %w", err)
	} else if info.IsDir() {
		from = filepath.Join(from, casefile.FactsFile)
	}
	f, err := os.Open(from)
	if err != nil {
		return seen{}, fmt.Errorf("read what was observed: %w", err)
	}
	defer f.Close()
	var facts cluster.Facts
	if strings.HasSuffix(from, ".tgz") || strings.HasSuffix(from, ".tar.gz") {
		err = factsInside(f, &facts)
	} else {
		err = json.NewDecoder(io.LimitReader(f, maxFacts)).Decode(&facts)
	}
	if err != nil {
		return seen{}, fmt.Errorf("read facts of %s: %w", from, err)
	}
	if len(facts.Config.Hosts) == 0 {
		return seen{}, fmt.Errorf("read facts of %s: these are no facts of Salvor", from)
	}
	return seen{facts: facts, diagnosis: diagnose.Diagnose(facts)}, nil
}

// factsInside finds facts.json in an evidence file.
func factsInside(f io.Reader, into *cluster.Facts) error {
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return errors.New("there is no " + casefile.FactsFile + " in it")
		}
		if err != nil {
			return err
		}
		if path.Base(h.Name) == casefile.FactsFile {
			return json.NewDecoder(io.LimitReader(t, maxFacts)).Decode(into)
		}
	}
}
