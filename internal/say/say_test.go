package say

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFill(t *testing.T) {
	for _, c := range []struct {
		form string
		args []string
		want string
	}{
		{"nothing", nil, "nothing"},
		{"nothing", []string{"a", "b"}, "nothing"},
		{"%s and %s", []string{"a", "b"}, "a and b"},
		{"%[2]s before %[1]s", []string{"a", "b"}, "b before a"},
		{"%[1]s, then %s", []string{"a", "b"}, "a, then b"},
		{"%s and %s", []string{"a"}, "a and ?"},
		{"%[3]s", []string{"a"}, "?"},
		{"100 %", nil, "100 %"},
		{"100 %% of %s", []string{"a"}, "100 % of a"},
		{"%d %[1]d %[0]s %[]s %[x]s", []string{"a"}, "%d %[1]d %[0]s %[]s %[x]s"},
		{"%s", []string{"%s %[1]s %d"}, "%s %[1]s %d"},
		{"%[12]s", []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "twelve"}, "twelve"},
		{"中文%[1]s。", []string{"名"}, "中文名。"},
	} {
		if got := fill(c.form, c.args); got != c.want {
			t.Errorf("fill(%q, %q) = %q, want %q", c.form, c.args, got, c.want)
		}
	}
}

func FuzzFill(f *testing.F) {
	f.Add("%s %[2]s %% %", "a", "b")
	f.Fuzz(func(_ *testing.T, form, a, b string) { fill(form, []string{a, b}) })
}

func TestText(t *testing.T) {
	x := New("scenario.stopped", 1, 3)
	if got, want := x.In(Chinese), "3 个 etcd 成员中只有 1 个有应答，但足以形成 quorum 的磁盘都完好：只需启动磁盘完好的成员，不需要恢复数据。"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var back Text
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(x, back); d != "" {
		t.Error(d)
	}
	if got, want := New("no.such-key", "a").String(), `no.such-key ["a"]`; got != want {
		t.Errorf("an unknown key is shown as %q, want %q", got, want)
	}
	if got := (Text{}).String(); got != "" {
		t.Errorf("the empty text is %q", got)
	}
}

func TestParseLanguage(t *testing.T) {
	for _, s := range []string{"en", "zh"} {
		if l, err := ParseLanguage(s); err != nil || string(l) != s {
			t.Errorf("%s: %v, %v", s, l, err)
		}
	}
	if _, err := ParseLanguage("de"); err == nil {
		t.Error("de is accepted")
	}
}
