package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/salvor-project/salvor/internal/casefile"
	"github.com/salvor-project/salvor/internal/diagnose"
	"github.com/salvor-project/salvor/internal/say"
)

// document parses what -o json wrote.
func document(t *testing.T, text string) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return doc
}

// TestEvidencePack looks at a real wreck, packs what was seen, and diagnoses
// the pack, the case and the facts: each gives the bytes of the live run.
func TestEvidencePack(t *testing.T) {
	s := newScene(t, "majority-lost")
	pack := s.path("pack.tgz")
	s.must(0, "evidence", "--out", pack)
	folder := s.folder()
	var want diagnose.Diagnosis
	check(t, folder.Read(casefile.DiagnosisFile, &want))
	stored, err := os.ReadFile(folder.Path(casefile.DiagnosisFile))
	check(t, err)
	for _, from := range []string{pack, folder.Dir, folder.Name(), folder.Path(casefile.FactsFile)} {
		e := s.must(3, "diagnose", "--from", from, "-o", "json")
		doc := document(t, e.out)
		delete(doc, "kind")
		got, err := json.Marshal(doc)
		check(t, err)
		var live map[string]any
		check(t, json.Unmarshal(stored, &live))
		as, err := json.Marshal(live)
		check(t, err)
		if !bytes.Equal(got, as) {
			t.Errorf("--from %s gives another diagnosis than the live run:\n%s\n%s", from, got, as)
		}
	}
	if want.Scenario != diagnose.MajorityLost || want.Cause == nil || want.Cause.Code != diagnose.DataDirLost {
		t.Errorf("%s, cause %+v", want.Scenario, want.Cause)
	}
	if info, err := os.Stat(pack); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the pack is readable by others: %v %v", info.Mode(), err)
	}
	sums, files := unpack(t, pack)
	for _, line := range strings.Split(strings.TrimSpace(sums), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		if got := sha256.Sum256(files[name]); hex.EncodeToString(got[:]) != sum {
			t.Errorf("%s has another digest than the list says", name)
		}
		delete(files, name)
	}
	if len(files) > 0 {
		t.Errorf("%d files are not in the list of digests", len(files))
	}
	if !strings.Contains(sums, "-log.txt") || !strings.Contains(sums, "-files.json") || !strings.Contains(sums, casefile.FactsFile) {
		t.Errorf("the pack lacks logs, listings or facts:\n%s", sums)
	}
	if e := s.salvor(orders{}, "diagnose", "--from", s.path("salvor.yaml")); e.code != 1 {
		t.Errorf("a file without facts gives %d", e.code)
	}
}

func unpack(t *testing.T, file string) (sums string, files map[string][]byte) {
	t.Helper()
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	check(t, err)
	files = map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return sums, files
		}
		check(t, err)
		b, err := io.ReadAll(r)
		check(t, err)
		_, name, _ := strings.Cut(h.Name, "/")
		if path.Base(name) == digestList {
			sums = string(b)
			continue
		}
		files[name] = b
	}
}

// TestDiagnoseFlags: exit codes by severity, metrics, Markdown, watching.
func TestDiagnoseFlags(t *testing.T) {
	s := newScene(t, "stopped")
	metrics := s.path("salvor.prom")
	s.must(3, "diagnose", "--prometheus", metrics, "--fail-on", "critical")
	b, err := os.ReadFile(metrics)
	check(t, err)
	for _, want := range []string{`salvor_scenario{scenario="stopped",availability="T3",data="D0"} 1`, `salvor_finding{code="etcd-member-stopped",severity="critical",subject="m1",`,
		`salvor_member_state{member="m1",host="m1",state="stopped"} 1`, `salvor_findings{severity="critical"} 4`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the metrics lack %s:\n%s", want, b)
		}
	}
	if e := s.must(3, "diagnose", "-o", "md"); !strings.HasPrefix(e.out, "# T3 D0") || !strings.Contains(e.out, "`etcd-member-stopped`") {
		t.Errorf("Markdown: %s", e.out)
	}
	for _, wrong := range [][]string{{"--fail-on", "info"}, {"--watch", "-o", "json"}, {"--watch", "--from", "x"}, {"--every", "1ms"}} {
		s.must(2, append([]string{"diagnose"}, wrong...)...)
	}
	p, wait := s.start(orders{}, "diagnose", "--watch", "--every", "1s", "--prometheus", metrics)
	for looks, last := 0, modified(t, metrics); looks < 2; {
		if at := modified(t, metrics); at.After(last) {
			looks, last = looks+1, at
		}
		if time.Since(last) > 40*time.Second {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	check(t, p.Signal(syscall.SIGINT))
	if e := wait(); e.code != 130 || strings.Count(e.out, "T3 D0") < 2 {
		t.Errorf("watching ended with %d after %d looks:\n%s", e.code, strings.Count(e.out, "T3 D0"), e.err)
	} else if strings.Contains(e.out, "\x1b") || !strings.Contains(e.err, "salvor: cancelled") {
		t.Errorf("watching into a pipe moves a terminal's cursor (%t), and ends with %q", strings.Contains(e.out, "\x1b"), e.err)
	}
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	return info.ModTime()
}

// TestExplain shows one page, all codes, and refuses what is none.
func TestExplain(t *testing.T) {
	run := func(args ...string) (int, string) {
		var out, stderr bytes.Buffer
		a := &app{in: strings.NewReader(""), out: &out, err: &stderr, version: "test"}
		return execute(t.Context(), a, append([]string{"explain"}, args...)), out.String() + stderr.String()
	}
	for _, c := range diagnose.Codes() {
		for lang, want := range map[string]string{"en": "**Repair**", "zh": "**正确的修复**"} {
			if code, text := run(string(c), "--lang", lang); code != 0 || !strings.HasPrefix(text, "## `"+string(c)+"` ") || !strings.Contains(text, want) {
				t.Fatalf("%s in %s: %d %s", c, lang, code, text)
			}
		}
	}
	if code, text := run(); code != 0 || strings.Count(text, "\n") != len(diagnose.Codes()) {
		t.Errorf("the list: %d %s", code, text)
	}
	if code, text := run("no-such-code"); code != 2 || !strings.Contains(text, "no-such-code") {
		t.Errorf("%d %s", code, text)
	}
	if code, text := run("etcd-nospce-alrm"); code != 2 || !strings.Contains(text, "did you mean etcd-nospace-alarm") {
		t.Errorf("nearly a code: %d %s", code, text)
	}
	if code, text := run("[Disk-Full]"); code != 0 || !strings.HasPrefix(text, "## `disk-full` ") {
		t.Errorf("as it is shown, in capitals: %d %s", code, text)
	}
	if code, text := run("disk-full", "-o", "json"); code != 0 || document(t, text)["code"] != "disk-full" {
		t.Errorf("%d %s", code, text)
	}
}

// TestVerdictAt: who only wants to be woken by something critical still hears
// that too little was seen.
func TestVerdictAt(t *testing.T) {
	warning := []diagnose.Finding{{Severity: diagnose.Warning}}
	critical := append([]diagnose.Finding{{Severity: diagnose.Critical}}, warning...)
	unknown := []say.Text{say.New("unknown.hidden", "cp-1")}
	for name, c := range map[string]struct {
		d    diagnose.Diagnosis
		want error
	}{
		"healthy":                       {diagnose.Diagnosis{Scenario: diagnose.Healthy}, nil},
		"healthy, something unseen":     {diagnose.Diagnosis{Scenario: diagnose.Healthy, Unknown: unknown}, errUnseen},
		"a warning":                     {diagnose.Diagnosis{Scenario: diagnose.Degraded, Findings: warning}, nil},
		"a warning, something unseen":   {diagnose.Diagnosis{Scenario: diagnose.Degraded, Findings: warning, Unknown: unknown}, errUnseen},
		"something critical and unseen": {diagnose.Diagnosis{Scenario: diagnose.Degraded, Findings: critical, Unknown: unknown}, errFindings},
		"unreachable":                   {diagnose.Diagnosis{Scenario: diagnose.Unreachable, Findings: critical}, errUnseen},
	} {
		if err := verdictAt(c.d, diagnose.Critical); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
