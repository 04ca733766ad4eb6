package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/salvor-project/salvor/internal/kube"
)

// note writes a ledger of these lines and gives its path.
func note(t *testing.T, lines ...line) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range lines {
		switch n.Op {
		case opTry:
			err = l.try(n.Key, n.SHA256)
		case opAck:
			err = l.ack(n.Key, n.SHA256, n.Revision)
		case opLost:
			err = l.lost(n.Key, n.SHA256, n.Lost)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func try(key, sha string) line { return line{Op: opTry, Key: key, SHA256: sha} }
func ack(key, sha string, rev int64) line {
	return line{Op: opAck, Key: key, SHA256: sha, Revision: rev}
}
func lost(key, sha string, count int) line {
	return line{Op: opLost, Key: key, SHA256: sha, Lost: count}
}
func both(key, sha string, rev int64) []line { return []line{try(key, sha), ack(key, sha, rev)} }

func TestLedgerJudgesEachKeyByItsLastAcknowledgedState(t *testing.T) {
	var lines []line
	for i, sha := range []string{"1", "2", "3"} {
		lines = append(lines, both("k", sha, int64(10+i))...)
	}
	lines = append(lines, try("k", "4"))
	r, err := ReadLedger(note(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		found   string
		lost    int
		foreign bool
	}{
		{"4", 0, false}, // never acknowledged, landed all the same
		{"3", 0, false},
		{"2", 1, false},
		{"1", 2, false},
		{"", 3, false},
		{"?", 3, true},
	} {
		lost, foreign := r.keys["k"].judge(c.found)
		if lost != c.lost || foreign != c.foreign {
			t.Errorf("found %q: lost %d foreign %v, want %d %v", c.found, lost, foreign, c.lost, c.foreign)
		}
	}
	if r.Acknowledged != 3 || r.MaxRevision != 12 || r.AcknowledgedBetween(10, 12) != 2 || r.AcknowledgedBetween(10, 11) != 1 {
		t.Errorf("record %+v", r)
	}
}

func TestLedgerCountsWhatTheWriterFoundLostOnlyOnce(t *testing.T) {
	lines := append(both("k", "1", 1), both("k", "2", 2)...)
	lines = append(lines, lost("k", "1", 1))
	lines = append(lines, both("k", "3", 3)...)
	r, err := ReadLedger(note(t, lines...))
	if err != nil {
		t.Fatal(err)
	}
	if l, foreign := r.keys["k"].judge("3"); l != 0 || foreign || r.Lost != 1 {
		t.Errorf("lost %d + %d, foreign %v", r.Lost, l, foreign)
	}
	if _, foreign := r.keys["k"].judge("2"); !foreign {
		t.Error("a state that was given up as lost came back unnoticed")
	}
}

func TestLedgerPassesOverATornLineAndRefusesABrokenOne(t *testing.T) {
	path := note(t, both("k", "1", 7)...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content string
		ok      bool
	}{
		"torn":    {string(whole) + `{"op":"ack","key":"k","sha`, true},
		"broken":  {"{\n" + string(whole), false},
		"untried": {`{"op":"ack","key":"k","sha256":"9"}` + "\n", false},
		"unknown": {`{"op":"x","key":"k"}` + "\n", false},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := ReadLedger(path)
		if (err == nil) != c.ok || (c.ok && r.Acknowledged != 1) {
			t.Errorf("%s: %d acknowledged, %v", name, r.Acknowledged, err)
		}
	}
}

func TestPopulationIsDistinctAndDecodable(t *testing.T) {
	codec, err := kube.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{300, DefaultObjects} {
		all, err := population(codec, n)
		if err != nil || len(all) != n {
			t.Fatalf("%d objects, %v, want %d", len(all), err, n)
		}
		kinds, keys, size := map[string]int{}, map[string]bool{}, 0
		for _, s := range all {
			first, err := s.value(0)
			if err != nil {
				t.Fatal(err)
			}
			next, err := s.value(1)
			if err != nil || (bytes.Equal(first, next) && s.churn > 0) {
				t.Errorf("%s: an update changes nothing (%v)", s.key, err)
			}
			o, err := kube.Decode(s.key, first)
			p, ok := kube.Split(s.key)
			if err != nil || !ok || (o.Name != p.Name && p.Resource != "masterleases") || o.Namespace != p.Namespace {
				t.Errorf("%s holds %+v: %v", s.key, o, err)
			}
			if keys[s.key] {
				t.Errorf("%s comes twice", s.key)
			}
			keys[s.key] = true
			kinds[o.Kind]++
			size += len(first)
		}
		for _, kind := range []string{"Pod", "Event", "Secret", "ConfigMap", "Deployment", "ReplicaSet", "EndpointSlice", "Lease", "Node", "Namespace", "Endpoints", "Service", "ClusterRole", "Certificate"} {
			if kinds[kind] == 0 {
				t.Errorf("%d objects without any %s", n, kind)
			}
		}
		t.Logf("%d objects, %d bytes each on average, %v", n, size/n, kinds)
	}
}

func TestPodsOfThePopulationAreWholePods(t *testing.T) {
	codec, err := kube.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	w := world{codec: codec, namespaces: []string{"a", "b", "c", "d", "e", "f"}, nodes: 3}
	value, err := codec.Encode(w.pod(4, 2))
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := codec.DecodeInto(value, &pod); err != nil || pod.Status.ContainerStatuses[0].RestartCount != 2 {
		t.Errorf("%+v, %v", pod.Status, err)
	}
}

func TestCopyKeepsContentAndHoles(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	if err := os.MkdirAll(filepath.Join(from, "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 3<<20)
	copy(content[1<<20:], "in the middle")
	path := filepath.Join(from, "wal", "0.wal")
	if err := os.WriteFile(path, []byte("begin"), 0o600); err != nil {
		t.Fatal(err)
	}
	copy(content, "begin")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("in the middle"), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(3 << 20); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if err := os.WriteFile(filepath.Join(from, "wal", "1.tmp"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyTree(from, to); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(to, "wal", "0.wal"))
	if err != nil || string(got) != string(content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if present(filepath.Join(to, "wal", "1.tmp")) {
		t.Error("a spare file was copied")
	}
}
