package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
)

// caseDir is the newest case of the operator.
func (b *bench) caseDir() string {
	b.Helper()
	all, err := filepath.Glob(filepath.Join(b.dir, ".local/state/salvor/cases/*"))
	if err != nil || len(all) == 0 {
		b.Fatalf("no case: %v", err)
	}
	sort.Strings(all)
	return all[len(all)-1]
}

// split tells how the time of a recovery was spent, as the last line of the
// test and in the file that SALVOR_LAB_RTO names.
func (b *bench) split(begin time.Time) {
	b.Helper()
	dir := b.caseDir()
	entries, err := casefile.ReadJournal(filepath.Join(dir, casefile.JournalFile))
	if err != nil {
		b.Fatal(err)
	}
	at := map[string]time.Time{}
	for _, e := range entries {
		kind, _, _ := strings.Cut(string(e.Step), "@")
		switch {
		case e.Event == casefile.EventBegan && at["decided"].IsZero():
			at["decided"] = e.At
		case e.Event != casefile.EventDone:
		case kind == "fence-component" || kind == "stop-member":
			at["fenced"] = e.At
		case kind == "put-in-place" || kind == "promote-learner" || kind == "start-member":
			at["restored"] = e.At
		case kind == "canary":
			at["etcd"] = e.At
		case kind == "await-api":
			var r struct{ Written time.Time }
			if json.Unmarshal(e.Result, &r) == nil && !r.Written.IsZero() {
				at["serving"] = r.Written
			}
		}
	}
	if info, err := os.Stat(filepath.Join(dir, casefile.FactsFile)); err == nil {
		at["seen"] = info.ModTime()
	}
	var v casefile.Verdict
	folder, err := casefile.Open(dir)
	if err == nil {
		err = folder.Read(casefile.VerdictFile, &v)
	}
	if err != nil || !v.Passed {
		b.Errorf("verdict: passed %v, %v", v.Passed, err)
	}
	at["proven"] = v.At
	line := fmt.Sprintf("RTO %s %s:", b.layout, strings.TrimPrefix(b.Name(), "Test"))
	for _, what := range []string{"seen", "decided", "fenced", "restored", "etcd", "serving", "proven"} {
		if t := at[what]; !t.IsZero() {
			line += fmt.Sprintf(" %s %.1f s", what, t.Sub(begin).Seconds())
		}
	}
	b.Log(line)
	if path := os.Getenv("SALVOR_LAB_RTO"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintln(f, line)
	}
}
