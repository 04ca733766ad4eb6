package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/salvor-project/salvor/internal/host"
)

func line(seq int64, note string) []byte { return fmt.Appendf(nil, `{"seq":%d,"note":%q}`, seq, note) }

func testMirror(t *testing.T, f fixture) {
	c := f.dial(t)
	const name = "journal.jsonl"
	for _, data := range [][]byte{[]byte("first"), {}, {0, 1, 0xff}} {
		if err := c.PutCase(f.ctx, "c1", "plan.json", data); err != nil {
			t.Fatal(err)
		}
		if got, err := c.GetCase(f.ctx, "c1", "plan.json"); err != nil || !bytes.Equal(got, data) {
			t.Errorf("put %q, got %q, %v", data, got, err)
		}
	}
	for _, seq := range []int64{1, 2, 2, 1, 3} {
		if err := c.AppendCase(f.ctx, "c1", name, line(seq, "x"), seq); err != nil {
			t.Fatal(err)
		}
	}
	want := "{\"seq\":1,\"note\":\"x\"}\n{\"seq\":2,\"note\":\"x\"}\n{\"seq\":3,\"note\":\"x\"}\n"
	path := host.CasesDir(f.dir+"/state") + "/c1/" + name
	// What a crash can leave behind the last whole line.
	for _, torn := range []string{"", `{"seq":4,"no`, "{\"seq\":4,\x00\x00\x00\n", "\x00\x00\n", `{"seq":4,"note":"whole but not ended"}`} {
		if err := os.WriteFile(path, []byte(want+torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.AppendCase(f.ctx, "c1", name, line(4, "y"), 4); err != nil {
			t.Errorf("append behind %q: %v", torn, err)
		}
		got, err := c.GetCase(f.ctx, "c1", name)
		if d := cmp.Diff(want+"{\"seq\":4,\"note\":\"y\"}\n", string(got)); d != "" || err != nil {
			t.Errorf("append behind %q: %s %v", torn, d, err)
		}
	}
	testMirrorRefusals(t, f, c, name)

	all, err := c.ListCases(f.ctx)
	if err != nil || len(all) != 1 || all[0].Case != "c1" || len(all[0].Files) != 2 {
		t.Errorf("list: %+v, %v", all, err)
	}
}

func testMirrorRefusals(t *testing.T, f fixture, c *host.Client, name string) {
	var remote *host.RemoteError
	if err := c.AppendCase(f.ctx, "c1", name, line(4, "other"), 4); !errors.As(err, &remote) || remote.Code != host.CodeConflict {
		t.Errorf("another line 4: %v", err)
	}
	for _, l := range []string{`{"seq":5}`, `{"note":"no seq"}`, "{\"seq\":6,\n\"a\":1}", `6`, ``} {
		if err := c.AppendCase(f.ctx, "c1", name, []byte(l), 6); !errors.As(err, &remote) || remote.Code != host.CodeBadRequest {
			t.Errorf("append %q as 6: %v", l, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "../x", "a/b", `a\b`, ".hidden", "a\x00b", "a\nb"} {
		if err := c.PutCase(f.ctx, bad, "x", nil); !errors.As(err, &remote) || remote.Code != host.CodeBadRequest {
			t.Errorf("case %q: %v", bad, err)
		}
		if _, err := c.GetCase(f.ctx, "c1", bad); !errors.As(err, &remote) || remote.Code != host.CodeBadRequest {
			t.Errorf("file %q: %v", bad, err)
		}
	}
	if _, err := c.GetCase(f.ctx, "c2", name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get what is not there: %v", err)
	}
}
