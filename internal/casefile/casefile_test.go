package casefile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJournalSurvivesATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	j, _, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"a", "b"} {
		if _, _, err := j.Append(Entry{Plan: "p", Event: EventStarted, Step: "s", Note: step}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"seq":3,"plan":"p","ev`...), 0o600); err != nil {
		t.Fatal(err)
	}
	j, entries, err := OpenJournal(path)
	if err != nil || len(entries) != 2 {
		t.Fatalf("read %d entries, %v; want 2", len(entries), err)
	}
	e, _, err := j.Append(Entry{Plan: "p", Event: EventDone})
	if err != nil || e.Seq != 3 {
		t.Fatalf("appended as %d, %v; want 3", e.Seq, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if entries, err = ReadJournal(path); err != nil || len(entries) != 3 || entries[2].Event != EventDone {
		t.Fatalf("read %v, %v", entries, err)
	}
}

func TestJournalWithABrokenLineInside(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	if err := os.WriteFile(path, []byte("{\"seq\":1}\nnonsense\n{\"seq\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadJournal(path); err == nil {
		t.Fatal("a broken line was read over in silence")
	}
}

func TestFolder(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "cases")
	name := NewName(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "Prod / 北京", "ab12")
	if name != "20260102-030405-prod-ab12" {
		t.Fatalf("named %q", name)
	}
	f, err := Create(parent, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(parent, name); err == nil {
		t.Fatal("the same case was made twice")
	}
	if _, err := Open(f.Dir); err == nil {
		t.Fatal("an empty folder was opened as a case")
	}
	want := Verdict{Passed: true, Checks: []Check{{Name: "members", Result: Passed}}}
	if err := f.Write(VerdictFile, want); err != nil {
		t.Fatal(err)
	}
	c, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Checks, c.Verdict.Checks); diff != "" || c.Plan != nil || len(c.Journal) != 0 {
		t.Fatalf("loaded %+v\n%s", c, diff)
	}
}
